import { join } from 'node:path';
import { type Backup, isCopyDone } from '../catalog/backup.ts';
import { readSoundRecords } from '../catalog/backup-records.ts';
import { backupFolder } from '../catalog/server-layout.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatInterval } from '../shared/units.ts';
import type { Host } from '../transport/host.ts';
import { lsnFromBytes } from '../wal/lsn.ts';
import { segmentAtLsn } from '../wal/wal-name.ts';
import type { BackupJob } from './backup-job.ts';
import { BackupSession } from './backup-session.ts';
import { type CopiedItem, copyCluster } from './copy-cluster.ts';
import type { CopyItem } from './copy-item.ts';
import { dataFolderExclusions, tablespaceExclusions, tablespaceFolder } from './copy-rules.ts';
import { configurationOutside, copySingleFile, isBelow } from './copy-single-files.ts';
import { copyStatistics, type ItemTimes } from './copy-statistics.ts';
import { endLeftExclusiveBackup } from './end-left-exclusive-backup.ts';
import { closeSegment, closeSegmentsUntil, closingOptionsOf, connectToPrimary } from './primary-of-standby.ts';
import { recordedFacts } from './recorded-facts.ts';
import { reuseOf } from './reuse-of.ts';
import { safeHorizon } from './safe-horizon.ts';
import { syncCopied } from './sync-copied.ts';
import { verifyChecksums } from './verify-checksums.ts';
import { walPositionText } from './wal-position-text.ts';

interface Way {
  readonly host: Host;
  /** `ssh_command`; undefined when the server runs here. */
  readonly sshCommand: string | undefined;
}

/**
 * A backup of files between begin and end of the low-level interface (engine.md section 6): tablespaces, the data folder, configuration
 * files outside of it, the control file last. Whatever fails after the begin takes the server out of backup mode first.
 */
export async function copyFilesOfServer(job: BackupJob, sshCommand: string | undefined): Promise<void> {
  const { context, host } = job;
  if (host === undefined) throw new Error('a method that copies files names the host that has them');
  const way = { host, sshCommand };
  refuseImpossible(job);
  await using primary = await connectToPrimary(job);
  job.begin('issuing start backup command');
  if (isExclusive(job)) await endLeft(job, host);
  const beginning = begin(job);
  try {
    const copied = await copy(job, way, beginning);
    const session = await beginning;
    await verifyChecksums(job, copied, { host, signal: session.signal });
    await end(job, session, primary);
    job.begin('copying files');
    await syncCopied(copied, reuseOf(job) === 'copy');
  } catch (error) {
    const session = await beginning.catch(() => undefined); // then that is the error
    if (session?.hasEnded === false) await session.abandon();
    throw job.connection.lost.aborted && !context.signal.aborted ? job.connection.lost.reason : error;
  }
}

function isExclusive({ server }: Pick<BackupJob, 'server'>): boolean {
  return server.config.options.backup_options.includes('exclusive_backup');
}

function refuseImpossible(job: BackupJob): void {
  const { facts, server } = job;
  if (isExclusive(job) && facts.version >= 150_000) {
    throw new OperatorError('backup-refused', 'PostgreSQL 15 and newer cannot take an exclusive backup', {
      hint: `set backup_options = concurrent_backup for server '${server.config.name}'`,
    });
  }
  if (facts.pgdata === undefined) {
    throw new OperatorError('backup-refused', 'the server does not tell its data_directory', {
      hint: 'GRANT pg_read_all_settings to the user in conninfo',
    });
  }
}

async function endLeft({ server, connection, facts, context }: BackupJob, host: Host): Promise<void> {
  const { version, pgdata = '' } = facts;
  await endLeftExclusiveBackup({ serverName: server.config.name, connection, version, pgdata, host }, context);
}

function isCheckpointFast({ request, server }: BackupJob): boolean {
  return request.isCheckpointFast ?? server.config.options.immediate_checkpoint;
}

async function begin(job: BackupJob): Promise<BackupSession> {
  const { server, request, context, facts } = job;
  const { options } = server.config;
  const session = await BackupSession.begin(job, {
    isExclusive: isExclusive(job),
    isCheckpointFast: isCheckpointFast(job),
    keepaliveSeconds: request.keepaliveSeconds ?? options.keepalive_interval,
  });
  const { lsn, timeline, time } = session.start;
  const { name, offset } = segmentAtLsn(lsn, timeline, facts.segmentSize);
  await job.save({
    status: 'STARTED',
    beginTime: time,
    beginXlog: lsn,
    beginWal: name,
    beginOffset: offset,
    timeline,
    ...recordedFacts(facts),
  });
  context.messages.info(`Backup start at LSN: ${walPositionText(lsn, name, offset)}`);
  return session;
}

/**
 * Copies everything. Unless the begin of the backup may take minutes, rsync logs in meanwhile; nothing is looked at before the backup
 * has begun.
 */
async function copy(job: BackupJob, { host, sshCommand }: Way, beginning: Promise<BackupSession>): Promise<CopiedItem[]> {
  const { server, request, facts } = job;
  const { options } = server.config;
  const context = { ...job.context, signal: AbortSignal.any([job.context.signal, job.connection.lost]) };
  let startedMs = 0;
  const begun = beginning.then(() => {
    job.begin('copying files');
    tellCopy(job, sshCommand);
    startedMs = context.clock.elapsedMs();
  });
  begun.catch(() => undefined); // whoever waits for it meets the failure
  if (!isCheckpointFast(job)) await begun;
  const before = reuseOf(job) === undefined ? undefined : await backupBefore(job);
  const jobs = jobsOf(job);
  const copied = await copyCluster(
    {
      begun,
      host,
      sshCommand,
      environment: server.environment,
      items: itemsOf(job, before),
      reuse: reuseOf(job),
      horizonSeconds: before === undefined ? undefined : safeHorizon(before),
      compresses: options.network_compression,
      jobs,
      batchSize: request.batchSize ?? options.parallel_jobs_start_batch_size,
      batchSeconds: request.batchSeconds ?? options.parallel_jobs_start_batch_period,
      retryTimes: request.retryTimes ?? options.basebackup_retry_times,
      retrySleepSeconds: request.retrySleepSeconds ?? options.basebackup_retry_sleep,
    },
    context,
  );
  const times: ItemTimes[] = copied.map(({ item, ...rest }) => ({ label: item.label, ...rest }));
  const dataFolder = join(job.folder, 'data');
  const pgdata = facts.pgdata ?? '';
  const control = { label: 'pg_control', source: join(pgdata, 'global/pg_control'), isOptional: false };
  for (const file of [
    ...outsideFiles(job, dataFolder),
    { ...control, destination: join(dataFolder, 'global/pg_control') }, // last: what it says must be true of all others
  ]) {
    const beganMs = context.clock.elapsedMs();
    await copySingleFile(host, file);
    const took = (context.clock.elapsedMs() - beganMs) / 1000;
    times.push({ label: file.label, analysisSeconds: undefined, copySeconds: took, serializedSeconds: took });
  }
  const totalSeconds = (context.clock.elapsedMs() - startedMs) / 1000;
  context.messages.info(`Copy done (time: ${formatInterval(totalSeconds)})`);
  job.change({ copyStats: copyStatistics({ items: times, totalSeconds, workers: jobs }) });
  return copied;
}

function jobsOf({ request, server }: BackupJob): number {
  return request.jobs ?? server.config.options.parallel_jobs;
}

function tellCopy(job: BackupJob, sshCommand: string | undefined): void {
  const jobs = jobsOf(job);
  const workers = jobs > 1 ? ` (${String(jobs)} jobs)` : '';
  const way = sshCommand === undefined ? 'local rsync' : 'rsync/SSH';
  job.context.messages.info(`Starting backup copy via ${way} for ${job.backup.id}${workers}`);
}

/** The newest backup of files: others have nothing in common with what rsync would write. */
async function backupBefore({ server, backup }: BackupJob): Promise<Backup | undefined> {
  const records = await readSoundRecords(server.layout);
  return records.findLast((one) => isCopyDone(one) && one.id < backup.id && one.mode?.startsWith('rsync') === true);
}

function itemsOf(job: BackupJob, before: Backup | undefined): CopyItem[] {
  const { server, facts, request } = job;
  const { bandwidth_limit, tablespace_bandwidth_limit } = server.config.options;
  const limit = request.kilobytesPerSecond ?? bandwidth_limit ?? 0;
  const reference = before === undefined ? undefined : backupFolder(server.layout, before.id);
  const place = (name: string) => ({
    destination: join(job.folder, name),
    reference: reference === undefined ? undefined : join(reference, name),
  });
  return [
    ...facts.tablespaces.map(({ name, oid, location }) => ({
      label: name,
      source: location,
      ...place(String(oid)),
      include: [tablespaceFolder(facts.version)],
      exclude: tablespaceExclusions(),
      kilobytesPerSecond: tablespace_bandwidth_limit?.[name] ?? limit,
    })),
    {
      label: 'pgdata',
      source: facts.pgdata ?? '',
      ...place('data'),
      exclude: dataFolderExclusions({ pgdata: facts.pgdata ?? '', tablespaces: facts.tablespaces }),
      kilobytesPerSecond: limit,
    },
  ];
}

function outsideFiles({ server, facts, context }: BackupJob, dataFolder: string) {
  const pgdata = facts.pgdata ?? '';
  if (server.config.options.backup_options.includes('external_configuration')) return [];
  const included = facts.includedFiles.filter((path) => !isBelow(pgdata, path));
  if (included.length > 0) {
    context.messages.warning(
      `configuration files outside the data folder are included and not backed up: ${included.join(', ')}; copy them by other means`,
    );
  }
  return configurationOutside({ ...facts, pgdata }, dataFolder);
}

async function end(
  job: BackupJob,
  session: BackupSession,
  primary: Awaited<ReturnType<typeof connectToPrimary>>,
): Promise<void> {
  const { context, facts } = job;
  context.messages.info('Asking PostgreSQL server to finalize the backup.');
  job.begin('issuing stop of the backup');
  const closing = new AbortController();
  const closes = primary === undefined ? undefined : closeSegmentsUntil(primary, closingOptionsOf(job), closing.signal);
  const stopped = await session.end(primary?.lost).finally(() => {
    closing.abort();
  });
  await closes;
  const { lsn, timeline, time, label } = stopped;
  // a position on a boundary ends the segment before it
  const endWal = segmentAtLsn(lsnFromBytes(lsn - 1n), timeline, facts.segmentSize).name;
  job.change({ endTime: time, endXlog: lsn, endWal, endOffset: Number(lsn % BigInt(facts.segmentSize)) });
  if (primary !== undefined) await closeSegment(primary);
  if (label === undefined) return;
  job.begin('writing the backup label');
  await writeFileDurably(join(job.folder, 'data', 'backup_label'), label);
  job.change({ backupLabel: label });
}
