import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Annotations, markGoing, readAnnotations, unmarkGoing } from '../catalog/annotations.ts';
import { type Backup, type BackupId, backupTypeOf } from '../catalog/backup.ts';
import { readSoundRecords, removeBackupRecord, writeBackupRecord } from '../catalog/backup-records.ts';
import { neighboursOf } from '../catalog/find-backup.ts';
import { planWalDeletion, subtreeOf } from '../catalog/plan-deletion.ts';
import { removeWals } from '../catalog/remove-wals.ts';
import { backupFolder, backupInfoPath, backupLockPath, serverLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import { backupHookVariables } from '../hooks/hook-variables.ts';
import { runPostHooks, runPreHooksOrFail } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { tryLockFile } from '../shared/file-lock.ts';
import { namesIn } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatCTime, localTimestamp } from '../shared/timestamp.ts';
import { formatInterval } from '../shared/units.ts';
import { settleChildren, settleFamilies } from './settle-children.ts';
import { walDeletionHooks } from './wal-deletion-hooks.ts';

const goingError = 'its deletion was interrupted: delete it again, or let cron finish';

/**
 * Deletes a backup and all that is built on it (cli.md section 8.2), children first.
 * @throws OperatorError `backup-refused` when it is kept or redundancy needs it; `lock-busy`
 */
export async function deleteBackup(server: Server, backup: Backup, context: Context): Promise<void> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another backup or delete of server ${server.config.name} is running`, {
      hint: 'wait until it has ended',
    });
  }
  const backups = await readSoundRecords(server.layout);
  const annotations = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  if (!annotations.goings.has(backup.id)) refuseNeeded(server, { backup, backups, annotations });
  const going = subtreeOf(backups, backup);
  if (going.length > 1) {
    const others = going.filter(({ id }) => id !== backup.id).map(({ id }) => id);
    context.messages.warning(`Backup ${backup.id} has incremental backups built on it, which go with it: ${others.join(', ')}`);
  }
  for (const each of going) await deleteOne(server, each.id, { looksPastStandalone: false }, context);
}

/**
 * Deletes one backup, without looking whether redundancy needs it: the caller decided that. Each step can be done again, and until the
 * last one the mark is there, from which the next run goes on.
 * @throws OperatorError `lock-busy` when another command works on it; `backup-refused` when it has been kept meanwhile
 */
export async function deleteOne(
  server: Server,
  id: BackupId,
  { looksPastStandalone }: { readonly looksPastStandalone: boolean },
  context: Context,
): Promise<void> {
  const { layout } = server;
  const lockPath = backupLockPath(layout, id);
  await using lock = await tryLockFile(lockPath);
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another process works on backup ${id} of server ${server.config.name}`);
  }
  const startedAt = context.clock.now();
  const startedMs = context.clock.elapsedMs();
  const backups = await readSoundRecords(layout);
  const backup = backups.find((each) => each.id === id);
  if (backup === undefined) {
    // killed after its record went: the folder is empty by then, anything else is not ours to judge without a record
    if ((await namesIn(backupFolder(layout, id))).length === 0) await removeFolder(server, id);
    await settleFamilies(server, backups, context);
    await unmarkGoing(layout, id);
    return;
  }
  const { keeps, goings } = await readAnnotations(
    layout,
    backups.map((each) => each.id),
  );
  if (keeps.has(id) && !goings.has(id)) refuseKept(server, id, keeps);
  const hook = hookOf(server, backup, backups);
  await runPreHooksOrFail(hook, context);
  const walPlan = planWalDeletion({ backups, keeps, looksPastStandalone }, backup);
  context.messages.info(`Deleting backup ${id} for server ${server.config.name}`);
  context.log.info(
    `WAL of backup ${id}: ${walPlan.kind === 'none' ? `all stays, ${walPlan.reason}` : `what is older than ${walPlan.limit} goes`}`,
  );
  await markGoing(layout, id);
  if (backup.status !== 'FAILED') await writeBackupRecord(layout, { ...backup, status: 'FAILED', error: goingError });
  await removeFiles(server, id);
  if (walPlan.kind !== 'none') {
    const removed = await removeWals(layout, walPlan, walDeletionHooks(server, context));
    context.messages.info('Delete associated WAL segments:');
    for (const { name } of removed) context.messages.info(`\t${name}`);
  }
  await removeBackupRecord(layout, id);
  if (backup.parentBackupId !== null) await settleChildren(server, backup.parentBackupId, context);
  await removeFolder(server, id);
  await unmarkGoing(layout, id);
  const elapsed = formatInterval((context.clock.elapsedMs() - startedMs) / 1000);
  context.messages.info(
    `Deleted backup ${id} (start time: ${formatCTime(localTimestamp(startedAt))}, elapsed time: ${elapsed})`,
  );
  await runPostHooks(hook, context);
  await rm(lockPath, { force: true });
}

/** Deletions that a crash interrupted, oldest first: ids with a mark. */
export async function interruptedDeletions(server: Server): Promise<BackupId[]> {
  const { goings } = await readAnnotations(server.layout, []);
  return [...goings].toSorted();
}

interface Need {
  readonly backup: Backup;
  readonly backups: readonly Backup[];
  readonly annotations: Annotations;
}

function refuseKept(server: Server, id: BackupId, keeps: Annotations['keeps']): void {
  const { name } = server.config;
  const keep = keeps.get(id);
  if (keep === undefined) return;
  throw new OperatorError(
    'backup-refused',
    `Skipping delete of backup ${id} for server ${name} as it has a current keep request (${keep})`,
    {
      hint: `release it first: keep --release ${name} ${id}`,
    },
  );
}

function refuseNeeded(server: Server, { backup, backups, annotations }: Need): void {
  const { name, options } = server.config;
  refuseKept(server, backup.id, annotations.keeps);
  if (backup.status !== 'DONE' || backupTypeOf(backup) === 'incremental') return;
  const done = backups.filter((each) => each.status === 'DONE' && backupTypeOf(each) !== 'incremental').length;
  if (options.minimum_redundancy < done) return;
  throw new OperatorError(
    'backup-refused',
    `Skipping delete of backup ${backup.id} for server ${name} due to minimum redundancy requirements (minimum redundancy = ${String(options.minimum_redundancy)}, current redundancy = ${String(done)})`,
    {
      hint: 'take another backup first, or lower minimum_redundancy',
    },
  );
}

function hookOf(server: Server, backup: Backup, backups: readonly Backup[]) {
  const { previous, next } = neighboursOf(backups, backup);
  const variables = backupHookVariables({
    backup,
    folder: backupFolder(server.layout, backup.id),
    infoPath: backupInfoPath(server.layout, backup.id),
    previousId: previous?.id,
    nextId: next?.id,
  });
  return { server, event: 'delete' as const, variables };
}

/** Everything but the record's copy: tablespaces, then data. */
async function removeFiles(server: Server, id: BackupId): Promise<void> {
  const folder = backupFolder(server.layout, id);
  const names = (await namesIn(folder)).filter((name) => name !== 'backup.info');
  for (const name of names.toSorted()) await rm(join(folder, name), { recursive: true, force: true });
}

async function removeFolder(server: Server, id: BackupId): Promise<void> {
  await rm(backupFolder(server.layout, id), { recursive: true, force: true });
  if ((await namesIn(server.layout.base)).length > 0) await syncFolder(server.layout.base);
}
