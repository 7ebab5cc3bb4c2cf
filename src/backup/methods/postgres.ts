import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract, type Header } from 'tar-stream';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { decompress, detectCompressionOf } from '../../compression/all-codecs.ts';
import { type CodecSurroundings, contentOf } from '../../compression/codec.ts';
import { parseBackupLabel } from '../../postgres/backup-label.ts';
import { backupCompressionOf, recordedCompression } from '../../postgres/basebackup-compression.ts';
import type { Connection } from '../../postgres/connect.ts';
import { identifySystem } from '../../postgres/replication-commands.ts';
import { readCurrentPosition, readIsInRecovery, readTimeline, switchWal } from '../../postgres/server-queries.ts';
import { namesIn } from '../../shared/look.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { PythonFloat } from '../../shared/python-literal.ts';
import { formatInterval } from '../../shared/units.ts';
import { lsnFromBytes } from '../../wal/lsn.ts';
import { segmentAtLsn, timelineOf } from '../../wal/wal-name.ts';
import { type BackupJob, recordedFacts, walPositionText } from '../backup-job.ts';
import type { BackupMethod } from '../backup-method.ts';
import { copyWithBasebackup } from '../copy-with-basebackup.ts';
import { encryptArchives, removeClearArchives } from '../encrypt-archives.ts';
import { readWalRanges, requirePossiblePositions } from '../judge-wals.ts';
import { closeSegment, closeSegmentsUntil, closingOptionsOf, connectToPrimary } from '../primary-of-standby.ts';
import { tellWhatIsMissing } from '../tell-what-is-missing.ts';

/** `pg_basebackup` over a replication connection (docs/reference/engine.md section 5). */
export const postgres: BackupMethod = {
  name: 'postgres',
  mode: () => 'postgres',
  host: () => undefined,
  async copy(job) {
    try {
      await copyAndEncrypt(job);
    } catch (error) {
      // whatever has failed: files that were to be encrypted are not left clear
      if (job.server.config.options.encryption !== undefined) await removeClearArchives(job.files.dataFolder);
      throw error;
    }
  },
};

async function copyAndEncrypt(job: BackupJob): Promise<void> {
  await using primary = await connectToPrimary(job);
  const wasInRecovery = await readIsInRecovery(job.connection);
  await start(job);
  const skipped = await copyFiles(job, primary);
  await tellWhatIsMissing(job, skipped);
  job.context.messages.info('Finalising the backup.');
  await takeLabel(job);
  await job.reviveConnection();
  await stop(job, { primary, wasInRecovery });
  requirePossiblePositions(job.backup, await readWalRanges(job.files.dataFolder));
  await encrypt(job);
}

async function start(job: BackupJob): Promise<void> {
  const { facts, connection, context } = job;
  job.begin('issuing start backup command');
  const position = await readCurrentPosition(connection);
  const timeline = position.segment === undefined ? await readTimeline(connection) : timelineOf(position.segment);
  const begin = segmentAtLsn(position.lsn, timeline ?? 1, facts.segmentSize);
  await job.files.make();
  await job.save({
    status: 'STARTED',
    beginTime: position.time,
    beginXlog: position.lsn,
    beginWal: begin.name,
    beginOffset: begin.offset,
    timeline: timeline ?? null,
    ...recordedFacts(facts),
  });
  context.messages.info(`Backup start at LSN: ${walPositionText(position.lsn, begin.name, begin.offset)}`);
}

/** @returns what was left out */
async function copyFiles(job: BackupJob, primary: Connection | undefined): Promise<readonly string[]> {
  const { server, settings, context, facts, connection } = job;
  job.begin('copying files');
  context.messages.info(`Starting backup copy via pg_basebackup for ${job.backup.id}`);
  const compression = backupCompressionOf(server.config.options);
  const startedMs = context.clock.elapsedMs();
  const skipped = await copyWithBasebackup(
    {
      server,
      id: job.backup.id,
      nodes: job.nodes,
      serverVersion: facts.version,
      tablespaces: facts.tablespaces,
      isCheckpointFast: settings.isCheckpointFast,
      compression,
      parentManifest: parentManifestOf(job),
      kilobytesPerSecond: settings.kilobytesPerSecond,
      retryTimes: settings.retryTimes,
      retrySleepSeconds: settings.retrySleepSeconds,
      observer: connection,
      whileWaitingForWal:
        primary === undefined ? undefined : async (until) => await closeSegmentsUntil(primary, closingOptionsOf(job), until),
    },
    context,
  );
  const seconds = (context.clock.elapsedMs() - startedMs) / 1000;
  context.messages.info(`Copy done (time: ${formatInterval(seconds)})`);
  const took = new PythonFloat(Math.round(seconds * 1e6) / 1e6);
  job.change({
    compression: recordedCompression(compression),
    copyStats: new Map([
      ['copy_time', took],
      ['total_time', took],
    ]),
  });
  return skipped;
}

function parentManifestOf({ server, ancestors: [parent] }: BackupJob): string | undefined {
  return parent === undefined ? undefined : backupFilesOf(server.layout, parent.id).manifestPath;
}

async function takeLabel(job: BackupJob): Promise<void> {
  job.begin('reading the backup label');
  const text = await readBackupLabel(job.files.dataFolder, {
    path: job.server.programPath,
    environment: job.server.environment,
  });
  const begin = parseBackupLabel(text);
  if (begin === undefined) throw new OperatorError('backup-failed', 'backup_label does not say where the backup starts');
  job.change({
    backupLabel: text,
    beginXlog: begin.lsn,
    beginWal: begin.segment,
    beginOffset: Number(begin.lsn % BigInt(job.facts.segmentSize)),
    timeline: timelineOf(begin.segment),
  });
}

/** Only tar files can be: with other settings the check before the backup has failed. */
async function encrypt(job: BackupJob): Promise<void> {
  const { server, context, backup } = job;
  const { encryption, encryption_key_id: recipient } = server.config.options;
  if (encryption === undefined) return;
  job.begin('encrypting backup');
  if (recipient === undefined || backup.compression === null) {
    throw new OperatorError('configuration-invalid', 'encryption = gpg needs encryption_key_id and a backup in tar format');
  }
  const { programPath: path, environment } = server;
  await encryptArchives(job.files.dataFolder, { recipient, path, environment, signal: context.signal });
  job.change({ encryption });
}

interface StopParts {
  /** Of the standby that is backed up. */
  readonly primary: Connection | undefined;
  readonly wasInRecovery: boolean;
}

async function stop(job: BackupJob, { primary, wasInRecovery }: StopParts): Promise<void> {
  const { connection, facts } = job;
  job.begin('issuing stop of the backup');
  const isInRecovery = await readIsInRecovery(connection);
  if (wasInRecovery && !isInRecovery) {
    throw new OperatorError('backup-failed', 'the standby was promoted while it was backed up', {
      hint: 'take another backup: it begins on the new timeline',
    });
  }
  if (!wasInRecovery && isInRecovery) {
    throw new OperatorError('backup-failed', 'conninfo reached a primary when the backup began, and a standby when it ended');
  }
  const position = await readCurrentPosition(connection);
  // a position on a boundary needs nothing of the segment that begins there, and on an idle server nobody closes that one
  const last = lsnFromBytes(position.lsn - 1n);
  const endWal = position.segment ?? segmentAtLsn(last, await timelineOfStandby(job), facts.segmentSize).name;
  const endOffset = Number(position.lsn % BigInt(facts.segmentSize));
  job.change({ endTime: position.time, endXlog: position.lsn, endWal, endOffset });
  if (!isInRecovery) await switchWal(connection);
  else if (primary !== undefined) await closeSegment(primary);
}

/** The timeline that a standby replays now, which may be another one than when the backup began (docs/reference/since-3.17.md section 3). */
async function timelineOfStandby({ nodes, backup, context }: BackupJob): Promise<number> {
  await using stream = await nodes.replication('barman', context.signal);
  const { timeline } = await identifySystem(stream);
  return Number.isSafeInteger(timeline) && timeline > 0 ? timeline : (backup.timeline ?? 1);
}

/** One member of a tar stream. */
type Entry = AsyncIterable<Buffer> & { readonly header: Header; resume(): void };

const mostLabelBytes = 64 * 1024;

/**
 * The text of `backup_label` below `base/ID/data`: a file of its own, or a member of `base.tar`, whatever its compression.
 * @throws OperatorError `file-unreadable`
 */
export async function readBackupLabel(dataFolder: string, surroundings: CodecSurroundings): Promise<string> {
  const names = await namesIn(dataFolder);
  const archive = names.find((name) => /^base\.tar(\.\w+)?$/.test(name));
  if (archive !== undefined) return await readTarredLabel(join(dataFolder, archive), surroundings);
  if (names.includes('backup_label')) return await readPlainLabel(join(dataFolder, 'backup_label'));
  throw new OperatorError('file-unreadable', `there is no backup_label in ${dataFolder}`);
}

async function readPlainLabel(path: string): Promise<string> {
  const found = await lstat(path);
  if (!found.isFile()) throw new OperatorError('file-unreadable', `${path} is not a regular file`);
  if (found.size > mostLabelBytes) throw new OperatorError('file-unreadable', `${path} is too long`);
  return await readFile(path, 'utf8');
}

/**
 * The text of `backup_label` in a tar file of the data directory, which may be compressed. PostgreSQL sends it first, and no more than
 * that is read.
 * @throws OperatorError `file-unreadable` when it is not there, or the file is damaged before it
 */
async function readTarredLabel(archive: string, surroundings: CodecSurroundings): Promise<string> {
  const members = extract();
  const feeding = decompress(contentOf(archive), await detectCompressionOf(archive), { to: members, surroundings });
  const feedingEnd = feeding.then(
    () => members.end(null),
    (error: unknown) => members.destroy(error instanceof Error ? error : new Error(messageOf(error))),
  );
  try {
    for await (const member of members) {
      const entry = member as unknown as Entry; // streamx readables give buffers
      if (isLabel(entry.header)) return await textOf(entry, archive);
      entry.resume(); // it has to be read for the next one to come
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError('file-unreadable', `${archive} is not a complete tar file: ${messageOf(error)}`, { cause: error });
  } finally {
    await feedingEnd; // nobody takes the rest: it fails, and what was read is all that counts
  }
  throw new OperatorError('file-unreadable', `there is no backup_label in ${archive}`);
}

function isLabel({ name, type }: Header): boolean {
  return type === 'file' && name.replace(/^\.\//, '') === 'backup_label';
}

async function textOf(entry: Entry, archive: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of entry) {
    size += chunk.length;
    if (size > mostLabelBytes) throw new OperatorError('file-unreadable', `the backup_label in ${archive} is too long`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
