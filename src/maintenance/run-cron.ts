import { hasWaiting } from '../archive/archive-arrivals.ts';
import { type BackupRecords, readBackupRecords } from '../catalog/backups/backup-records.ts';
import { type ReceiverFailure, readReceiverFailure } from '../catalog/receiver-failure.ts';
import { backupLockPath, serverLockPath } from '../catalog/server-layout.ts';
import { readSwitches } from '../cluster/switch-records.ts';
import type { Server } from '../config/server.ts';
import { reapDeadBackups } from '../operations/backup/reap-dead-backups.ts';
import { applyRetention } from '../operations/deletion/apply-retention.ts';
import { channelsOf } from '../operations/wal/archive-wal.ts';
import { noteUnstreamedSwitch } from '../operations/wal/note-unstreamed-switch.ts';
import { startReceiverUnit, stopReceiverProcess } from '../operations/wal/receiver-unit.ts';
import type { Context } from '../shared/context.ts';
import { isLockHeld, readLockOwner, tryLockFile } from '../shared/file-lock.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import { MessagesInTurn } from '../shared/messages-in-turn.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { startDetached } from '../transport/programs/start-detached.ts';
import { wantsBackup } from './backup-after-switch.ts';
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

/** Most of the time of a server is waiting for programs and the disk. */
const concurrentServers = 8;

/**
 * One round of maintenance (docs/reference/config-checks-hooks.md section 13), for several servers at a time. What takes long goes to children that are
 * not waited for; a failure of one server never keeps the others from their turn.
 */
export async function runCron(options: CronOptions, context: Context): Promise<void> {
  const inTurn = new MessagesInTurn(context.messages);
  for (const { config } of options.servers) {
    if (config.problems.length > 0) context.messages.info(`Skipping temporarily disabled server '${config.name}'`);
  }
  const servers = options.servers.filter(({ config }) => config.problems.length === 0);
  const turns = servers.map((server) => ({ server, ...inTurn.turn() }));
  const unexpected: unknown[] = [];
  await forEachConcurrently(turns, concurrentServers, async ({ server, messages, done }) => {
    try {
      await serve(server, options, { ...context, messages });
    } catch (error) {
      if (error instanceof OperatorError) {
        messages.error(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
        context.log.error(`cron of server ${server.config.name}: ${messageOf(error)}`);
      } else unexpected.push(error);
    } finally {
      done();
    }
  });
  if (unexpected.length > 0) throw unexpected[0];
  if (options.cleansLocks) await cleanLockFolder(options.lockFolder);
}

async function serve(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { config } = server;
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
  await noteUnstreamedSwitch(server, context);
  const records = await readAndReap(server, context);
  await startBackupChecks(server, { options, records }, context);
  await startBackupAfterSwitch(server, { options, records }, context);
  await applyRetention(server, context, records);
}

/** Starts nothing where nothing waits; Barman says there, too, that it starts something. */
async function startArchiving(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { name } = server.config;
  const channels = channelsOf(server).map(({ channel }) => channel);
  if (channels.length === 0) return;
  if (await isLockHeld(serverLockPath(server.layout, 'archive-wal'))) {
    context.messages.info(`Another archive-wal process is already running on server ${name}. Skipping to the next server`);
    return;
  }
  const isNeeded = await hasWaiting(server.layout, channels);
  context.messages.info(`Starting WAL archiving for server ${name}`, { logged: false, isOnlyBarmans: !isNeeded });
  if (!isNeeded) return;
  await startOwn(['archive-wal', name], server, options);
}

async function startOrStopReceiver(server: Server, options: CronOptions, context: Context): Promise<void> {
  const { name, options: settings } = server.config;
  if (!settings.streaming_archiver) {
    await stopReceiverOf(server, context);
    return;
  }
  if (await isLockHeld(serverLockPath(server.layout, 'receive-wal'))) return;
  const before = await readReceiverFailure(server.layout);
  context.messages.info(`Starting streaming archiver for server ${name}`, { logged: false });
  if (!(await startReceiverUnit(server))) await startOwn(['receive-wal', name], server, options);
  if (before !== undefined && before.ranMs < gotGoingMs) await tellUnlessItRuns(server, before, context);
}

/** A receiver that ended sooner than this never got going. */
const gotGoingMs = 50_000;
const watchesForMs = 8000;
const watchesEveryMs = 200;

/**
 * Watches the next receiver after one that could not start, and tells when it gets no further: it works in the background, where nobody
 * hears it, and the server keeps its WAL meanwhile or removes it.
 */
async function tellUnlessItRuns({ config, layout }: Server, before: ReceiverFailure, context: Context): Promise<void> {
  const deadlineMs = context.clock.elapsedMs() + watchesForMs;
  let reason = before.reason;
  while (context.clock.elapsedMs() < deadlineMs) {
    await context.clock.sleep(watchesEveryMs, context.signal);
    const now = await readReceiverFailure(layout);
    if (now === undefined) return; // it runs
    if (now.at.getTime() === before.at.getTime()) continue;
    reason = now.reason;
    break;
  }
  context.messages.error(`The receiver of server ${config.name} cannot start: ${reason}`);
}

async function stopReceiverOf(server: Server, context: Context, notice?: string): Promise<void> {
  const pid = await readLockOwner(serverLockPath(server.layout, 'receive-wal'));
  if (pid === undefined) return;
  if (notice !== undefined) context.messages.info(notice);
  if ((await stopReceiverProcess(server, pid, context.clock)) === 'stopped')
    context.messages.info(`Stopped process receive-wal(${String(pid)})`);
  else context.messages.error(`Cannot terminate process receive-wal(${String(pid)})`);
}

interface BackupChecks {
  readonly options: CronOptions;
  readonly records: BackupRecords;
}

/** Every backup that waits for WAL, not only the oldest: a lost one must not keep the others from becoming DONE. */
async function startBackupChecks(server: Server, { options, records }: BackupChecks, context: Context): Promise<void> {
  for (const { id } of records.backups.filter(({ status }) => status === 'WAITING_FOR_WALS')) {
    if (await isLockHeld(backupLockPath(server.layout, id))) continue;
    context.messages.info(`Starting check-backup for backup ${id} of server ${server.config.name}`, { logged: false });
    await startOwn(['check-backup', server.config.name, id], server, options);
  }
}

/** With `backup_after_switch`: one after each change of the primary; one that failed is tried again after a while. */
async function startBackupAfterSwitch(server: Server, { options, records }: BackupChecks, context: Context): Promise<void> {
  if (!server.config.options.backup_after_switch) return;
  const last = (await readSwitches(server.layout)).at(-1);
  if (last === undefined || !wantsBackup(last, records.backups, context.clock.now())) return;
  if (await isLockHeld(serverLockPath(server.layout, 'backup'))) return;
  const { name } = server.config;
  context.messages.info(`Starting a backup of server ${name}: its primary has changed to ${last.to}`);
  await startOwn(['backup', name], server, options);
}

/** The records of the server, those of dead backups repaired unless a backup runs. */
async function readAndReap(server: Server, context: Context): Promise<BackupRecords> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  return lock === undefined ? await readBackupRecords(server.layout) : await reapDeadBackups(server, context);
}

async function startOwn(words: readonly string[], server: Server, { self, keepsDescriptors }: CronOptions): Promise<void> {
  await startDetached([...self, ...words], { environment: server.environment, keepsOutput: keepsDescriptors });
}
