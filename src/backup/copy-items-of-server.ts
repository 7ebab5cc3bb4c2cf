import { join } from 'node:path';
import { type Backup, isCopyDone } from '../catalog/backups/backup.ts';
import { backupFilesOf } from '../catalog/backups/backup-files.ts';
import { readBackupRecords } from '../catalog/backups/backup-records.ts';
import { isBelow } from '../shared/look.ts';
import { epochSeconds } from '../shared/timestamp.ts';
import { formatInterval } from '../shared/units.ts';
import type { Host } from '../transport/hosts/host.ts';
import type { BackupJob } from './backup-job.ts';
import type { BackupSession } from './backup-session.ts';
import { type CopiedItem, copyCluster } from './copy-cluster.ts';
import type { CopyItem } from './copy-item.ts';
import { dataFolderExclusions, tablespaceExclusions, tablespaceFolder } from './copy-rules.ts';
import { configurationOutside, copySingleFile } from './copy-single-files.ts';
import { copyStatistics, type ItemTimes } from './copy-statistics.ts';
import { tellOnce } from './tell-what-is-missing.ts';

/**
 * Copies everything. Unless the begin of the backup may take minutes, rsync logs in meanwhile; nothing is looked at before the backup
 * has begun.
 */
export async function copyItems(job: BackupJob, host: Host, beginning: Promise<BackupSession>): Promise<CopiedItem[]> {
  const { server, settings, facts } = job;
  const { options } = server.config;
  const context = { ...job.context, signal: AbortSignal.any([job.context.signal, job.connection.lost]) };
  let startedMs = 0;
  const begun = beginning.then(() => {
    job.begin('copying files');
    tellCopy(job, host);
    startedMs = context.clock.elapsedMs();
  });
  begun.catch(() => undefined); // the failure reaches the caller that awaits it
  const { jobs, reuse, batchSize, batchSeconds, retryTimes, retrySleepSeconds } = settings;
  if (!settings.isCheckpointFast) await begun;
  const before = reuse === undefined ? undefined : await backupBefore(job);
  const copied = await copyCluster(
    {
      begun,
      host,
      environment: server.environment,
      items: itemsOf(job, before),
      reuse,
      horizonSeconds: before === undefined ? undefined : safeHorizon(before),
      compresses: options.network_compression,
      jobs,
      batchSize,
      batchSeconds,
      retryTimes,
      retrySleepSeconds,
    },
    context,
  );
  const leftOut = copied.flatMap(({ item, listing }) => listing.leftOut.map((what) => join(item.source, what)));
  const text =
    leftOut.length === 0 ? undefined : `not in the backup, which holds files and folders only: ${leftOut.join(', ')}`;
  await tellOnce(server.layout, { topic: 'left out', text }, context);
  const times: ItemTimes[] = copied.map(({ item, ...rest }) => ({ label: item.label, ...rest }));
  const { dataFolder } = job.files;
  const pgdata = facts.pgdata ?? '';
  const control = { label: 'pg_control', source: join(pgdata, 'global/pg_control'), isOptional: false };
  for (const file of [
    ...(await outsideFiles(job, dataFolder)),
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

function tellCopy(job: BackupJob, { isRemote }: Host): void {
  const { jobs } = job.settings;
  const workers = jobs > 1 ? ` (${String(jobs)} jobs)` : '';
  const way = isRemote ? 'rsync/SSH' : 'local rsync';
  job.context.messages.info(`Starting backup copy via ${way} for ${job.backup.id}${workers}`);
}

/** The newest backup of files: others have nothing in common with what rsync would write. */
async function backupBefore({ server, backup }: BackupJob): Promise<Backup | undefined> {
  const { backups } = await readBackupRecords(server.layout); // one that cannot be read lends no files, and stops no backup
  return backups.findLast((one) => isCopyDone(one) && one.id !== backup.id && one.mode?.startsWith('rsync') === true);
}

function itemsOf(job: BackupJob, before: Backup | undefined): CopyItem[] {
  const { server, facts, settings } = job;
  const { tablespace_bandwidth_limit } = server.config.options;
  const reference = before === undefined ? undefined : backupFilesOf(server.layout, before.id);
  const place = (name: string) => ({
    destination: job.files.pathOf(name),
    reference: reference?.pathOf(name),
  });
  return [
    ...facts.tablespaces.map(({ name, oid, location }) => ({
      label: name,
      source: location,
      ...place(String(oid)),
      include: [tablespaceFolder(facts.version)],
      exclude: tablespaceExclusions(),
      kilobytesPerSecond: tablespace_bandwidth_limit?.[name] ?? settings.kilobytesPerSecond,
    })),
    {
      label: 'pgdata',
      source: facts.pgdata ?? '',
      ...place('data'),
      exclude: dataFolderExclusions({ pgdata: facts.pgdata ?? '', version: facts.version, tablespaces: facts.tablespaces }),
      kilobytesPerSecond: settings.kilobytesPerSecond,
    },
  ];
}

async function outsideFiles({ server, facts, context }: BackupJob, dataFolder: string) {
  const pgdata = facts.pgdata ?? '';
  if (server.config.options.backup_options.includes('external_configuration')) return [];
  const included = facts.includedFiles.filter((path) => !isBelow(pgdata, path));
  const text =
    included.length === 0
      ? undefined
      : `configuration files outside the data folder are included and not backed up: ${included.join(', ')}; copy them by other means`;
  await tellOnce(server.layout, { topic: 'configuration outside', text }, context);
  return configurationOutside({ ...facts, pgdata }, dataFolder);
}

/**
 * Seconds since the epoch, on the clock of the server: a file that was last changed before was not changed while that backup copied it.
 * That is when the backup began (docs/reference/engine.md section 6.5), or later, the time in its label: PostgreSQL writes that down after its
 * checkpoint, so that files written by the checkpoint need no second look. A label without a zone that we know says nothing.
 */
export function safeHorizon({ beginTime, endTime, backupLabel }: Backup): number | undefined {
  if (beginTime === null) return undefined;
  const began = epochSeconds(beginTime);
  const [, date, zone] = /^START TIME: (\S+ \S+) (\S+)$/m.exec(backupLabel ?? '') ?? [];
  if (date === undefined || !['UTC', 'GMT'].includes(zone ?? '')) return began;
  const labelled = Date.parse(`${date.replace(' ', 'T')}Z`) / 1000;
  const isWithin = labelled >= began && (endTime === null || labelled <= epochSeconds(endTime) + 1);
  return isWithin ? labelled : began;
}
