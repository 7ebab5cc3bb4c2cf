import { readBackupRecords } from '../catalog/backup-records.ts';
import { backupLockPath, serverLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import { applyRetention } from '../operations/apply-retention.ts';
import { channelsOf } from '../operations/archive-wal.ts';
import { reapDeadBackups } from '../operations/reap-dead-backups.ts';
import { startReceiverUnit, stopReceiverProcess } from '../operations/receiver-unit.ts';
import type { Context } from '../shared/context.ts';
import { isLockHeld, readLockOwner, tryLockFile } from '../shared/file-lock.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { startDetached } from '../transport/start-detached.ts';
import { cleanLockFolder } from './clean-lock-folder.ts';

interface CronOptions {
  /** Every configured server, sorted by name. */
  readonly servers: readonly Server[];
  readonly lockFolder: string;
  readonly cleansLocks: boolean;
  /** The beginning of a command line of ours: interpreter, program, `-c` and the configuration, `-q`. */
  readonly self: readonly string[];
  readonly keepsDescriptors: boolean;
}

/**
 * One round of maintenance (config-checks-hooks.md section 13). What takes long goes to children that are not waited for; a failure of
 * one server never keeps the others from their turn.
 */
export async function runCron(options: CronOptions, context: Context): Promise<void> {
  for (const server of options.servers) {
    try {
      await serve(server, options, context);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      context.messages.error(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
      context.log.error(`cron of server ${server.config.name}: ${messageOf(error)}`);
    }
  }
  if (options.cleansLocks) await cleanLockFolder(options.lockFolder);
}

async function serve(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { config } = server;
  if (config.problems.length > 0) {
    context.messages.info(`Skipping temporarily disabled server '${config.name}'`);
    return;
  }
  if (!config.isActive) {
    await stopReceiverOf(server, context, `Server '${config.name}' is inactive`);
    return;
  }
  if (config.isPassive) {
    throw new OperatorError(
      'not-available-yet',
      `server ${config.name}: passive nodes are not available yet in pgcellar 0.1.0`,
    );
  }
  await using lock = await tryLockFile(serverLockPath(server.layout, 'cron'));
  if (lock === undefined) {
    context.messages.info(`Another cron process is already running on server ${config.name}. Skipping to the next server`);
    return;
  }
  await startArchiving(server, options, context);
  await startOrStopReceiver(server, options, context);
  await startBackupChecks(server, options, context);
  await reapUnlessBackupRuns(server, context);
  await applyRetention(server, context);
}

async function startArchiving(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { name } = server.config;
  if (channelsOf(server).length === 0) return;
  if (await isLockHeld(serverLockPath(server.layout, 'archive-wal'))) {
    context.messages.info(`Another archive-wal process is already running on server ${name}. Skipping to the next server`);
    return;
  }
  context.messages.info(`Starting WAL archiving for server ${name}`, { logged: false });
  await startOwn(['archive-wal', name], server, options);
}

async function startOrStopReceiver(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { name, options: settings } = server.config;
  if (!settings.streaming_archiver) {
    await stopReceiverOf(server, context);
    return;
  }
  if (await isLockHeld(serverLockPath(server.layout, 'receive-wal'))) return;
  context.messages.info(`Starting streaming archiver for server ${name}`, { logged: false });
  if (!(await startReceiverUnit(server))) await startOwn(['receive-wal', name], server, options);
}

async function stopReceiverOf(server: Server, context: Context, notice?: string): Promise<void> {
  const pid = await readLockOwner(serverLockPath(server.layout, 'receive-wal'));
  if (pid === undefined) return;
  if (notice !== undefined) context.messages.info(notice);
  if ((await stopReceiverProcess(server, pid, context.clock)) === 'stopped')
    context.messages.info(`Stopped process receive-wal(${String(pid)})`);
  else context.messages.error(`Cannot terminate process receive-wal(${String(pid)})`);
}

/** Every backup that waits for WAL, not only the oldest: a lost one must not keep the others from becoming DONE. */
async function startBackupChecks(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { backups } = await readBackupRecords(server.layout);
  for (const { id } of backups.filter(({ status }) => status === 'WAITING_FOR_WALS')) {
    if (await isLockHeld(backupLockPath(server.layout, id))) continue;
    context.messages.info(`Starting check-backup for backup ${id} of server ${server.config.name}`, { logged: false });
    await startOwn(['check-backup', server.config.name, id], server, options);
  }
}

async function reapUnlessBackupRuns(server: Server, context: Context): Promise<void> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  if (lock !== undefined) await reapDeadBackups(server, context);
}

async function startOwn(words: readonly string[], server: Server, { self, keepsDescriptors }: CronOptions): Promise<void> {
  await startDetached([...self, ...words], { environment: server.environment, keepsOutput: keepsDescriptors });
}
