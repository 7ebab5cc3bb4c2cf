import { type BackupJob, walPositionText } from '../../backup/backup-job.ts';
import type { BackupMethod } from '../../backup/backup-method.ts';
import { requirePossiblePositions } from '../../backup/judge-wals.ts';
import { writeManifest } from '../../backup/write-manifest.ts';
import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import { measureBackup } from '../../catalog/backups/backup-files.ts';
import { readBackupRecord, readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { neighboursOf } from '../../catalog/backups/find-backup.ts';
import { backupInfoPath } from '../../catalog/server-layout.ts';
import { backupHookVariables } from '../../hooks/hook-variables.ts';
import { runPostHooks, runPreHooksOrFail } from '../../hooks/run-hooks.ts';
import { createRestorePoint, readIsInRecovery, writeSomething } from '../../postgres/server-queries.ts';
import { formatFixed } from '../../shared/format-fixed.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { formatLongTime, localTimestamp } from '../../shared/timestamp.ts';
import { formatInterval, formatSize } from '../../shared/units.ts';
import { withBackupLocks } from '../deletion/with-backup-locks.ts';
import { writeChildren } from '../server/settle-children.ts';
import { QuietArchiver } from '../wal/archive-wal.ts';
import { whyNothingIsReceived } from '../wal/receive-wal.ts';
import { describeNodeChange } from './backup-node.ts';
import { checkBackup } from './check-backup.ts';

const waitEveryMs = 100;
/** How often it is looked whether WAL can arrive at all. */
const askAboutReceiverMs = 10_000;

/**
 * One backup from its record's first save to its last: what every method shares (docs/reference/engine.md section 3, steps 7 to 16). Whatever fails
 * leaves the record FAILED with the step and the reason.
 * @returns the record: WAITING_FOR_WALS, or further when the request was to wait
 */
export async function runBackupJob(job: BackupJob, method: BackupMethod): Promise<Backup> {
  const { server, context, settings } = job;
  // retention takes no backup lock: it must delete neither this backup nor one that it is built on
  await withBackupLocks(server, [job.backup.id, ...job.ancestors.map(({ id }) => id)], async () => {
    await copyWithHooks(job, method);
    await recordAsChild(job);
  });
  try {
    if (settings.waits) await waitForWals(job);
  } finally {
    // an error now says nothing about the files: the record stays as check-backup left it
    await runPostHooks({ ...(await hookOf(job)), error: job.backup.error ?? '' }, context);
  }
  if (settings.writesManifest && backupTypeOf(job.backup) === 'rsync') await writeManifest(job.files.dataFolder);
  return job.backup;
}

/** From its first moment on, and once more at the end: a sibling may have been deleted meanwhile. */
async function recordAsChild({ server, ancestors: [parent] }: BackupJob): Promise<void> {
  if (parent !== undefined) await writeChildren(server, parent.id);
}

async function copyWithHooks(job: BackupJob, method: BackupMethod): Promise<void> {
  const { server, context } = job;
  const startedAt = context.clock.now();
  const startedMs = context.clock.elapsedMs();
  await job.save({});
  await recordAsChild(job);
  const wasInRecovery = await readIsInRecovery(job.connection).catch(() => false); // asked again where it matters
  try {
    await runPreHooksOrFail(await hookOf(job), context);
    context.messages.info(
      `Starting backup using ${method.mode(server.config)} method for server ${server.config.name} in ${job.files.folder}`,
    );
    await method.copy(job);
    await finish(job);
    tellEnd(job, startedAt, startedMs);
  } catch (error) {
    await fail(job, error, wasInRecovery);
    await runPostHooks({ ...(await hookOf(job)), error: job.backup.error ?? '' }, context);
    throw error;
  }
}

async function finish(job: BackupJob): Promise<void> {
  requirePossiblePositions(job.backup, []);
  await nameRestorePoint(job);
  job.begin('calculating backup size');
  await job.files.sync();
  const { size, deduplicatedSize } = await measureBackup(job.files.folder);
  await job.save({ size, deduplicatedSize, status: 'WAITING_FOR_WALS' });
}

/** A name to restore to; a role that may not make one takes a backup all the same. */
async function nameRestorePoint({ connection, context, backup }: BackupJob): Promise<void> {
  if (await readIsInRecovery(connection)) return;
  try {
    await createRestorePoint(connection, `barman_${backup.id}`);
  } catch (error) {
    context.log.warning(`no restore point: ${messageOf(error)}`);
  }
  await writeSomething(connection);
}

function tellEnd(job: BackupJob, startedAt: Date, startedMs: number): void {
  const { context, backup } = job;
  const { endXlog, endWal, endOffset } = backup;
  if (endXlog === null || endWal === null) return;
  context.messages.info(sizeText(job));
  context.messages.info(`Backup end at LSN: ${walPositionText(endXlog, endWal, endOffset ?? 0)}`);
  const elapsed = formatInterval((context.clock.elapsedMs() - startedMs) / 1000);
  context.messages.info(`Backup completed (start time: ${wallClock(startedAt)}, elapsed time: ${elapsed})`);
}

function sizeText(job: BackupJob): string {
  const { size, deduplicatedSize } = job.backup;
  const text = `Backup size: ${formatSize(size ?? 0)}`;
  if (backupTypeOf(job.backup) !== 'rsync' || job.settings.reuse !== 'link') return text;
  const saved = size === null || size === 0 ? 0 : 100 * (1 - (deduplicatedSize ?? 0) / size);
  return `${text}. Actual size on disk: ${formatSize(deduplicatedSize ?? 0)} (-${formatFixed(saved, 2)}% deduplication ratio).`;
}

/** Until the end WAL is archived. Being told to stop only ends the waiting: the backup is there. */
async function waitForWals(job: BackupJob): Promise<void> {
  const { server, settings, context } = job;
  const { endWal } = job.backup;
  const { waitTimeoutSeconds: seconds } = settings;
  const limit = seconds === 0 ? '' : ` (max: ${String(seconds)} seconds)`;
  context.messages.info(`Waiting for the WAL file ${endWal ?? ''} from server '${server.config.name}'${limit}`);
  const deadlineMs = seconds === 0 ? Number.POSITIVE_INFINITY : context.clock.elapsedMs() + seconds * 1000;
  let askAtMs = context.clock.elapsedMs() + askAboutReceiverMs;
  const archiver = new QuietArchiver(server);
  while (!context.signal.aborted) {
    await archiver.run(context);
    await lookForWals(job);
    if (job.backup.status !== 'WAITING_FOR_WALS') return;
    if (context.clock.elapsedMs() > deadlineMs) {
      context.messages.error(`The WAL file ${endWal ?? ''} has not been received in ${String(seconds)} seconds`);
      return;
    }
    if (context.clock.elapsedMs() > askAtMs) {
      await requireReceiving(job);
      askAtMs = context.clock.elapsedMs() + askAboutReceiverMs;
    }
    await context.clock.sleep(waitEveryMs);
  }
}

/** @throws OperatorError `wal-not-archived` when WAL comes by streaming only, and the receiver cannot continue: nobody waits for ever */
async function requireReceiving({ server, context, backup }: BackupJob): Promise<void> {
  if (server.config.options.archiver) return;
  const why = await whyNothingIsReceived(server, context);
  if (why === undefined) return;
  throw new OperatorError(
    'wal-not-archived',
    `The WAL file ${backup.endWal ?? ''} of backup ${backup.id} does not arrive: ${why.message}`,
    { ...(why.hint === undefined ? {} : { hint: why.hint }), cause: why },
  );
}

/** @throws OperatorError `backup-not-usable` when WAL is lost; the job then has the record that says so */
async function lookForWals(job: BackupJob): Promise<void> {
  const { server, context, backup } = job;
  try {
    const checked = await checkBackup(server, backup.id, context);
    if (checked !== undefined) job.change(checked);
  } catch (error) {
    job.change((await readBackupRecord(server.layout, backup.id)) ?? {});
    throw error;
  }
}

async function fail(job: BackupJob, error: unknown, wasInRecovery: boolean): Promise<void> {
  const { context, backup, doing, server } = job;
  const change = await describeNodeChange(server, wasInRecovery, context);
  const said = messageOf(error).split('\n')[0] ?? '';
  const told = change === undefined ? said : `${change}: ${said}`;
  const reason = context.signal.aborted ? 'interrupted by a signal' : told;
  context.log.error(`backup ${backup.id} failed ${doing}: ${messageOf(error)}`);
  try {
    await job.save({ status: 'FAILED', error: `failure ${doing} (${reason})` });
  } catch (second) {
    // as on a full disk: what failed first counts, and the next run of backup or cron marks what was left
    context.log.error(`the record of backup ${backup.id} cannot be written: ${messageOf(second)}`);
  }
}

async function hookOf({ server, backup, files: { folder } }: BackupJob) {
  const { backups } = await readBackupRecords(server.layout);
  const { previous, next } = neighboursOf(backups, backup);
  const variables = backupHookVariables({
    backup,
    folder,
    infoPath: backupInfoPath(server.layout, backup.id),
    previousId: previous?.id,
    nextId: next?.id,
  });
  return { server, event: 'backup' as const, variables };
}

/** Local time without its offset, as Barman tells when a backup began. */
function wallClock(date: Date): string {
  return formatLongTime(localTimestamp(date)).replace(/[+-]\d\d:\d\d$/, '');
}
