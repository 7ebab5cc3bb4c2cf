import { readAnnotations } from '../../catalog/backups/annotations.ts';
import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { isOrphan } from '../../catalog/backups/backup-files.ts';
import { type BackupRecords, readSoundRecords, soundOf } from '../../catalog/backups/backup-records.ts';
import { subtreeOf } from '../../catalog/backups/plan-deletion.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { judgeBackups } from '../backup/judge-backups.ts';
import { DeletionPass, interruptedDeletions } from './deletion-pass.ts';
import { planEnforcement } from './plan-enforcement.ts';

/**
 * Finishes deletions that were interrupted, then deletes what the retention policy makes obsolete (docs/reference/config-checks-hooks.md section 10.3),
 * in the order of {@link planEnforcement}. What another command works on, or somebody has just kept, stays, and so does what it is
 * built on.
 * @param known the records, as they were read a moment ago; each is read again, under its lock, before it goes
 */
export async function applyRetention(server: Server, context: Context, known?: BackupRecords): Promise<void> {
  const hasFinished = await finishDeletions(server, context);
  const { name, retention } = server.config;
  if (retention.kind !== 'enforced') return;
  const backups = known === undefined || hasFinished ? await readSoundRecords(server.layout) : soundOf(known);
  await warnOfOrphans(server, backups, context);
  const verdicts = (await judgeBackups(server, backups, context)) ?? [];
  const { keeps } = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  const deletions = planEnforcement({ backups, keeps, verdicts });
  if (deletions.length === 0) return;
  const staying = new Set<BackupId>();
  await using pass = await DeletionPass.begin(server, { looksPastStandalone: true }, context);
  try {
    for (const { backup, reason } of deletions) {
      if (!staying.has(backup.id)) {
        context.messages.info(`Enforcing retention policy: removing backup ${backup.id} for server ${name}`);
        context.log.info(`backup ${backup.id} is obsolete: ${reason}`);
        if (await takeUnlessBusy(pass, backup.id, context)) continue;
      }
      if (backup.parentBackupId !== null) staying.add(backup.parentBackupId);
    }
  } finally {
    await finish(pass, context); // also when one of them fails: what was begun ends
  }
}

/**
 * Barman marks a root before its children are gone: they go first.
 * @returns whether there was any
 */
async function finishDeletions(server: Server, context: Context): Promise<boolean> {
  const interrupted = await interruptedDeletions(server);
  if (interrupted.length === 0) return false;
  const backups = await readSoundRecords(server.layout);
  const taken = new Set<BackupId>();
  await using pass = await DeletionPass.begin(server, { looksPastStandalone: true }, context);
  for (const id of interrupted) {
    const marked = backups.find((backup) => backup.id === id);
    const going = marked === undefined ? [id] : subtreeOf(backups, marked).map((backup) => backup.id);
    for (const each of going) {
      if (taken.has(each)) continue;
      if (!(await takeUnlessBusy(pass, each, context))) break;
      taken.add(each);
    }
  }
  await finish(pass, context);
  return true;
}

async function finish(pass: DeletionPass, { messages }: Context): Promise<void> {
  await pass.finish();
  for (const { message } of pass.held) messages.warning(`${message}: it is left for the next run`);
}

/** @returns whether it goes */
async function takeUnlessBusy(pass: DeletionPass, id: BackupId, context: Context): Promise<boolean> {
  try {
    await pass.take(id);
    return true;
  } catch (error) {
    const isHeld = error instanceof OperatorError && (error.code === 'lock-busy' || error.code === 'backup-refused');
    if (!isHeld) throw error;
    context.messages.warning(`${error.message}: it is left for the next run`);
    return false;
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
