import { join } from 'node:path';
import type { ServerConfig } from '../config/server-config.ts';
import { shortAnswerMs } from '../postgres/answering-within.ts';
import { type ArchiverStatistics, readArchiverStatistics } from '../postgres/server-queries.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { endTogether } from '../shared/end-together.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import { lsnFromBytes } from '../wal/lsn.ts';
import { segmentAtLsn } from '../wal/wal-name.ts';
import { type BackupJob, recordedFacts, walPositionText } from './backup-job.ts';
import { BackupSession } from './backup-session.ts';
import type { CopiedItem } from './copy-cluster.ts';
import { copyItems } from './copy-items-of-server.ts';
import { endLeftExclusiveBackup } from './end-left-exclusive-backup.ts';
import { closeSegment, closeSegmentsUntil, closingOptionsOf, connectToPrimary } from './primary-of-standby.ts';
import { syncCopied } from './sync-copied.ts';
import { tellAwaitedArchiving } from './tell-awaited-archiving.ts';
import { verifyChecksums } from './verify-checksums.ts';

/**
 * A backup of files between begin and end of the low-level interface (docs/reference/engine.md section 6): tablespaces, the data folder, configuration
 * files outside of it, the control file last. Whatever fails after the begin takes the server out of backup mode first.
 */
export async function copyFilesOfServer(job: BackupJob): Promise<void> {
  const { context, host } = job;
  if (host === undefined) throw new Error('a method that copies files names the host that has them');
  refuseImpossible(job);
  await using primary = await connectToPrimary(job);
  job.begin('issuing start backup command');
  if (isExclusive(job)) await endLeft(job, host);
  const beginning = begin(job);
  try {
    const copied = await copyItems(job, host, beginning);
    const session = await beginning;
    await verifyChecksums(job, copied, { host, signal: session.signal });
    await endWhileSyncing(job, copied, { session, primary });
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
    throw new OperatorError('backup-refused', 'the server does not show its data_directory', {
      hint: 'GRANT pg_read_all_settings to the user in conninfo',
    });
  }
}

async function endLeft({ server, connection, facts, context }: BackupJob, host: Host): Promise<void> {
  const { version, pgdata = '' } = facts;
  await endLeftExclusiveBackup({ serverName: server.config.name, connection, version, pgdata, host }, context);
}

async function begin(job: BackupJob): Promise<BackupSession> {
  const { isCheckpointFast, keepaliveSeconds } = job.settings;
  const session = await BackupSession.begin(job, {
    isExclusive: isExclusive(job),
    isCheckpointFast,
    keepaliveSeconds,
  });
  try {
    await recordBegin(job, session);
  } catch (error) {
    await session.abandon(); // nobody else knows of it: the server would stay in backup mode, and we would not end
    throw error;
  }
  return session;
}

async function recordBegin(job: BackupJob, session: BackupSession): Promise<void> {
  const { context, facts } = job;
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
}

interface Ending {
  readonly session: BackupSession;
  readonly primary: Awaited<ReturnType<typeof connectToPrimary>>;
}

/**
 * Both may take long: the server waits for its WAL to be archived, we wait for the disk. What fails first stops the other, and nothing is
 * written any more when this ends.
 */
async function endWhileSyncing(job: BackupJob, copied: readonly CopiedItem[], { session, primary }: Ending): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  let syncFailure: unknown;
  const sync = async (): Promise<void> => {
    try {
      await syncCopied(copied, { areReusedCopies: job.settings.reuse === 'copy', signal });
    } catch (error) {
      syncFailure = error;
      throw error;
    }
  };
  try {
    await endTogether(stop, [sync(), end(job, { session, primary }, signal)]);
  } catch (error) {
    if (error === syncFailure) job.begin('copying files'); // which the operator is to hear of, not of the end
    throw error;
  }
}

async function end(job: BackupJob, { session, primary }: Ending, signal: AbortSignal): Promise<void> {
  const { context, facts } = job;
  context.messages.info('Asking PostgreSQL server to finalize the backup.');
  job.begin('issuing stop of the backup');
  const closing = new AbortController();
  const closes = primary === undefined ? undefined : closeSegmentsUntil(primary, closingOptionsOf(job), closing.signal);
  const until = primary === undefined ? signal : AbortSignal.any([signal, primary.lost]); // without it nobody would close the segment
  const telling = tellAwaitedArchiving(async () => await askArchiver(job), context, closing.signal);
  const stopped = await session.end(until).finally(() => {
    closing.abort();
  });
  await Promise.all([closes, telling]);
  const { lsn, timeline, time, label } = stopped;
  // a position on a boundary ends the segment before it
  const endWal = segmentAtLsn(lsnFromBytes(lsn - 1n), timeline, facts.segmentSize).name;
  job.change({ endTime: time, endXlog: lsn, endWal, endOffset: Number(lsn % BigInt(facts.segmentSize)) });
  if (primary !== undefined) await closeSegment(primary);
  if (label === undefined) return;
  job.begin('writing the backup label');
  await writeFileDurably(join(job.files.dataFolder, 'backup_label'), label);
  job.change({ backupLabel: label });
}

/** The session of the backup is busy: it waits. */
async function askArchiver({ nodes, context }: BackupJob): Promise<ArchiverStatistics> {
  await using connection = await nodes.queries(context.signal, shortAnswerMs);
  return await readArchiverStatistics(connection);
}

/** `mode` of the record of a file-level backup (docs/reference/catalog.md section 5.3). */
export function fileLevelMode({ options }: ServerConfig): string {
  return options.backup_options.includes('exclusive_backup') ? 'rsync-exclusive' : 'rsync-concurrent';
}
