import type { Backup, BackupId } from '../catalog/backup.ts';
import { readSoundRecords } from '../catalog/backup-records.ts';
import { isOrphan } from '../catalog/lost-backups.ts';
import type { Server } from '../config/server.ts';
import type { Verdict } from '../retention/plan-retention.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { deleteOne, interruptedDeletions } from './delete-backup.ts';
import { judgeBackups } from './judge-backups.ts';

/**
 * Finishes deletions that were interrupted, then deletes what the retention policy makes obsolete (config-checks-hooks.md section 10.3).
 * Children go before their parents, so that an interruption never leaves an incremental backup without its root.
 */
export async function applyRetention(server: Server, context: Context): Promise<void> {
  for (const id of await interruptedDeletions(server)) await deleteUnlessBusy(server, id, context);
  const { retention } = server.config;
  if (retention.kind !== 'enforced') return;
  const backups = await readSoundRecords(server.layout);
  await warnOfOrphans(server, backups, context);
  for (const { id, reason } of await obsoleteBackups(server, backups, context)) {
    context.messages.info(`Enforcing retention policy: removing backup ${id} for server ${server.config.name}`);
    context.log.info(`backup ${id} is obsolete: ${reason}`);
    await deleteUnlessBusy(server, id, context);
  }
}

/** Obsolete backups in the order of their deletion: oldest first, children before their parents. */
async function obsoleteBackups(server: Server, backups: readonly Backup[], context: Context): Promise<Verdict[]> {
  const verdicts = (await judgeBackups(server, backups, context)) ?? [];
  const obsolete = verdicts.filter(({ status }) => status === 'OBSOLETE');
  return obsolete.toSorted((a, b) => orderOf(backups, a.id, b.id));
}

function orderOf(backups: readonly Backup[], a: BackupId, b: BackupId): number {
  const [rootA, rootB] = [rootOf(backups, a), rootOf(backups, b)];
  if (rootA !== rootB) return rootA < rootB ? -1 : 1;
  return a < b ? 1 : -1; // in one tree the younger ones first: a child is always younger than its parent
}

function rootOf(backups: readonly Backup[], id: BackupId): BackupId {
  const seen = new Set<BackupId>();
  let root = id;
  for (;;) {
    const parent = backups.find((backup) => backup.id === root)?.parentBackupId;
    if (parent == null || seen.has(parent)) return root;
    seen.add(parent);
    root = parent;
  }
}

async function deleteUnlessBusy(server: Server, id: BackupId, context: Context): Promise<void> {
  try {
    await deleteOne(server, id, { looksPastStandalone: true }, context);
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'lock-busy') throw error;
    context.messages.warning(`${error.message}: it is left for the next run`);
  }
}

async function warnOfOrphans(server: Server, backups: readonly Backup[], context: Context): Promise<void> {
  for (const backup of backups) {
    if (!(await isOrphan(server.layout, backup))) continue;
    context.messages.warning(
      `the files of backup ${backup.id} of server ${server.config.name} are gone, its record is still there: delete ${server.config.name} ${backup.id} removes it`,
    );
  }
}
