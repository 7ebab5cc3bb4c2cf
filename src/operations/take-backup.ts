import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyWithBasebackup } from '../backup/copy-with-basebackup.ts';
import { measureBackup, syncBackupFolders } from '../backup/measure-backup.ts';
import { type Backup, type BackupId, newBackup, parseBackupId } from '../catalog/backup.ts';
import { readBackupRecord, readBackupRecords, writeBackupRecord } from '../catalog/backup-records.ts';
import { neighboursOf } from '../catalog/find-backup.ts';
import { writeIdentityOnce } from '../catalog/identity.ts';
import { backupFolder, backupInfoPath, serverLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import { unavailableOptionsInUse } from '../config/unavailable-options.ts';
import { backupHookVariables } from '../hooks/hook-variables.ts';
import { runPostHooks, runPreHooksOrFail } from '../hooks/run-hooks.ts';
import { type BackupFacts, readBackupFacts } from '../postgres/backup-facts.ts';
import { parseBackupLabel } from '../postgres/backup-label.ts';
import type { Connection } from '../postgres/connect.ts';
import { connectForQueries } from '../postgres/server-access.ts';
import {
  createRestorePoint,
  readCurrentPosition,
  readIsInRecovery,
  readTimeline,
  switchWal,
  writeSomething,
} from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { tryLockFile } from '../shared/file-lock.ts';
import { pathExists } from '../shared/look.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { PythonFloat } from '../shared/python-literal.ts';
import { formatCompactTime, formatLongTime, localTimestamp } from '../shared/timestamp.ts';
import { formatInterval, formatSize } from '../shared/units.ts';
import { formatLsn } from '../wal/lsn.ts';
import { segmentAtLsn, timelineOf } from '../wal/wal-name.ts';
import { archiveWal } from './archive-wal.ts';
import type { BackupRequest } from './backup-options.ts';
import { checkBackup } from './check-backup.ts';
import { requireHealthyServer } from './check-server.ts';
import { purgeBeforeFirstBackup } from './first-backup-purge.ts';
import { reapDeadBackups } from './reap-dead-backups.ts';

const waitEveryMs = 100;

/**
 * Takes a base backup with `pg_basebackup` (cli.md section 8.1, engine.md sections 3 and 5). Whatever fails after the record exists
 * leaves it FAILED with the reason.
 * @returns the record as it was before the last look for its WAL
 */
export async function takeBackup(server: Server, request: BackupRequest, context: Context): Promise<Backup> {
  refuseUnavailable(server, context);
  await requireHealthyServer(server, request.checkTimeoutSeconds, context);
  const backup = await copyUnderLock(server, request, context);
  await archiveWal(server, { isQuiet: true }, context);
  await lookForWals(server, backup.id, context);
  await purgeBeforeFirstBackup(server, backup, context);
  return backup;
}

function refuseUnavailable(server: Server, context: Context): void {
  const { name, options } = server.config;
  if (options.backup_method !== 'postgres') {
    throw new OperatorError(
      'not-available-yet',
      `backup_method = ${options.backup_method} of server '${name}' is not available yet in pgcellar 0.1.0`,
      {
        hint: 'set backup_method = postgres, which needs a streaming_conninfo with REPLICATION',
      },
    );
  }
  for (const { ignoring, message } of unavailableOptionsInUse(server.config, 'backup')) {
    if (ignoring === 'refuse') throw new OperatorError('not-available-yet', message);
    context.messages.warning(message);
  }
}

async function copyUnderLock(server: Server, request: BackupRequest, context: Context): Promise<Backup> {
  await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `Another backup process is running on server ${server.config.name}`, {
      hint: 'wait until it has ended: list-backups shows it as STARTED',
    });
  }
  await reapDeadBackups(server, context);
  const { conninfo } = server.config.options;
  if (conninfo === undefined) throw new OperatorError('configuration-invalid', `server ${server.config.name} has no conninfo`);
  await using connection = await connectForQueries(conninfo, server.environment);
  const facts = await readBackupFacts(connection);
  if (facts.systemid !== undefined) {
    await writeIdentityOnce(server.layout, { systemid: facts.systemid, version: String(Math.floor(facts.version / 10_000)) });
  }
  return await new BackupRun({ server, request, context, connection, facts }).run();
}

interface RunParts {
  readonly server: Server;
  readonly request: BackupRequest;
  readonly context: Context;
  readonly connection: Connection;
  readonly facts: BackupFacts;
}

/** One backup from its record's first save to its last; `#doing` is what a failure names. */
class BackupRun {
  readonly #parts: RunParts;
  readonly #startedAt: Date;
  readonly #startedMs: number;
  #doing = 'starting backup';
  #backup!: Backup;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#startedAt = parts.context.clock.now();
    this.#startedMs = parts.context.clock.elapsedMs();
  }

  async run(): Promise<Backup> {
    const { server, request, facts, context } = this.#parts;
    this.#backup = newBackup({
      id: await freeBackupId(server, context),
      serverName: server.config.name,
      mode: 'postgres',
      backupName: request.name ?? null,
      systemid: facts.systemid ?? null,
    });
    await this.#save({});
    try {
      await runPreHooksOrFail(await this.#hook(), context);
      await this.#start();
      await this.#copy();
      await this.#finish();
      this.#tellEnd();
      if (request.waits) await this.#waitForWals();
    } catch (error) {
      await this.#fail(error);
      await runPostHooks({ ...(await this.#hook()), error: this.#backup.error ?? '' }, context);
      throw error;
    }
    await runPostHooks(await this.#hook(), context);
    return this.#backup;
  }

  async #start(): Promise<void> {
    const { server, facts, connection, context } = this.#parts;
    const { layout, config } = server;
    context.messages.info(
      `Starting backup using postgres method for server ${config.name} in ${backupFolder(layout, this.#backup.id)}`,
    );
    this.#doing = 'issuing start backup command';
    const position = await readCurrentPosition(connection);
    const timeline = position.segment === undefined ? await readTimeline(connection) : timelineOf(position.segment);
    const begin = segmentAtLsn(position.lsn, timeline ?? 1, facts.segmentSize);
    await mkdir(backupFolder(layout, this.#backup.id), { recursive: true });
    await this.#save({
      status: 'STARTED',
      beginTime: position.time,
      beginXlog: position.lsn,
      beginWal: begin.name,
      beginOffset: begin.offset,
      timeline: timeline ?? null,
      ...recordedFacts(facts),
    });
    context.messages.info(`Backup start at LSN: ${formatLsn(position.lsn)} (${begin.name}, ${hex8(begin.offset)})`);
  }

  async #copy(): Promise<void> {
    const { server, request, context, facts, connection } = this.#parts;
    const { options } = server.config;
    this.#doing = 'copying files';
    context.messages.info(`Starting backup copy via pg_basebackup for ${this.#backup.id}`);
    const startedMs = context.clock.elapsedMs();
    await copyWithBasebackup(
      {
        server,
        id: this.#backup.id,
        streamingConninfo: options.streaming_conninfo ?? options.conninfo ?? '',
        serverVersion: facts.version,
        tablespaces: facts.tablespaces,
        isCheckpointFast: request.isCheckpointFast ?? options.immediate_checkpoint,
        kilobytesPerSecond: request.kilobytesPerSecond ?? options.bandwidth_limit ?? 0,
        retryTimes: request.retryTimes ?? options.basebackup_retry_times,
        retrySleepSeconds: request.retrySleepSeconds ?? options.basebackup_retry_sleep,
        observer: connection,
      },
      context,
    );
    const seconds = (context.clock.elapsedMs() - startedMs) / 1000;
    context.messages.info(`Copy done (time: ${formatInterval(seconds)})`);
    const took = new PythonFloat(Math.round(seconds * 1e6) / 1e6);
    this.#change({
      copyStats: new Map([
        ['copy_time', took],
        ['total_time', took],
      ]),
    });
  }

  async #finish(): Promise<void> {
    const { server, connection, facts, context } = this.#parts;
    context.messages.info('Finalising the backup.');
    await this.#takeLabel();
    this.#doing = 'issuing stop of the backup';
    const position = await readCurrentPosition(connection);
    const timeline = this.#backup.timeline ?? 1;
    const segment = position.segment ?? segmentAtLsn(position.lsn, timeline, facts.segmentSize).name;
    const offset = Number(position.lsn % BigInt(facts.segmentSize));
    this.#change({ endTime: position.time, endXlog: position.lsn, endWal: segment, endOffset: offset });
    if (!(await readIsInRecovery(connection))) {
      await switchWal(connection);
      await this.#nameRestorePoint();
      await writeSomething(connection);
    }
    this.#doing = 'calculating backup size';
    const folder = backupFolder(server.layout, this.#backup.id);
    await syncBackupFolders(server.layout.base, folder);
    const { size, deduplicatedSize } = await measureBackup(folder);
    await this.#save({ size, deduplicatedSize, status: 'WAITING_FOR_WALS' });
  }

  async #takeLabel(): Promise<void> {
    const { server, facts } = this.#parts;
    this.#doing = 'reading the backup label';
    const path = join(backupFolder(server.layout, this.#backup.id), 'data', 'backup_label');
    const text = await readFile(path, 'utf8');
    const start = parseBackupLabel(text);
    if (start === undefined) throw new OperatorError('backup-failed', `${path} does not say where the backup starts`);
    this.#change({
      backupLabel: text,
      beginXlog: start.lsn,
      beginWal: start.segment,
      beginOffset: Number(start.lsn % BigInt(facts.segmentSize)),
      timeline: timelineOf(start.segment),
    });
  }

  /** A name to restore to; a role that may not make one takes a backup all the same. */
  async #nameRestorePoint(): Promise<void> {
    const { connection, context } = this.#parts;
    try {
      await createRestorePoint(connection, `barman_${this.#backup.id}`);
    } catch (error) {
      context.log.warning(`no restore point: ${messageOf(error)}`);
    }
  }

  #tellEnd(): void {
    const { context } = this.#parts;
    const { endXlog, endWal, endOffset, size } = this.#backup;
    if (endXlog === null || endWal === null) return;
    context.messages.info(`Backup size: ${formatSize(size ?? 0)}`);
    context.messages.info(`Backup end at LSN: ${formatLsn(endXlog)} (${endWal}, ${hex8(endOffset ?? 0)})`);
    const elapsed = formatInterval((context.clock.elapsedMs() - this.#startedMs) / 1000);
    context.messages.info(`Backup completed (start time: ${wallClock(this.#startedAt)}, elapsed time: ${elapsed})`);
  }

  /** Until the end WAL is archived. Being told to stop only ends the waiting: the backup is there. */
  async #waitForWals(): Promise<void> {
    const { server, request, context } = this.#parts;
    const { endWal, id } = this.#backup;
    context.messages.info(`Waiting for the WAL file ${endWal ?? ''} from server '${server.config.name}'`);
    const deadlineMs =
      request.waitTimeoutSeconds === 0
        ? Number.POSITIVE_INFINITY
        : context.clock.elapsedMs() + request.waitTimeoutSeconds * 1000;
    while (!context.signal.aborted) {
      await archiveWal(server, { isQuiet: true }, context);
      const checked = await checkBackup(server, id, context);
      if (checked !== undefined) this.#backup = checked;
      if (this.#backup.status !== 'WAITING_FOR_WALS') return;
      if (context.clock.elapsedMs() > deadlineMs) {
        context.messages.warning(
          `The WAL file ${endWal ?? ''} did not arrive within ${String(request.waitTimeoutSeconds)} seconds`,
        );
        return;
      }
      await context.clock.sleep(waitEveryMs);
    }
  }

  async #fail(error: unknown): Promise<void> {
    const reason = this.#parts.context.signal.aborted ? 'interrupted by a signal' : (messageOf(error).split('\n')[0] ?? '');
    this.#parts.context.log.error(`backup ${this.#backup.id} failed ${this.#doing}: ${messageOf(error)}`);
    await this.#save({ status: 'FAILED', error: `failure ${this.#doing} (${reason})` });
  }

  #change(change: Partial<Backup>): void {
    this.#backup = { ...this.#backup, ...change };
  }

  async #save(change: Partial<Backup>): Promise<void> {
    this.#change(change);
    await writeBackupRecord(this.#parts.server.layout, this.#backup);
  }

  async #hook() {
    const { server } = this.#parts;
    const { backups } = await readBackupRecords(server.layout);
    const { previous, next } = neighboursOf(backups, this.#backup);
    const variables = backupHookVariables({
      backup: this.#backup,
      folder: backupFolder(server.layout, this.#backup.id),
      infoPath: backupInfoPath(server.layout, this.#backup.id),
      previousId: previous?.id,
      nextId: next?.id,
    });
    return { server, event: 'backup' as const, variables };
  }
}

async function lookForWals(server: Server, id: BackupId, context: Context): Promise<void> {
  const checked = await checkBackup(server, id, context);
  if (checked?.status !== 'WAITING_FOR_WALS') return;
  context.messages.warning(
    `IMPORTANT: this backup is classified as WAITING_FOR_WALS, meaning that pgcellar has not received yet all the required WAL files for the backup consistency.\nThis is a common behaviour in concurrent backup scenarios, and pgcellar automatically set the backup as DONE once all the required WAL files have been archived.\nHint: execute the backup command with '--wait'`,
  );
}

/** Local time to the second; when that id is taken (two backups within a second, or the hour that DST repeats) the next one. */
async function freeBackupId(server: Server, { clock }: Pick<Context, 'clock'>): Promise<BackupId> {
  for (;;) {
    const id = parseBackupId(formatCompactTime(localTimestamp(clock.now())));
    if (id === undefined) throw new OperatorError('backup-failed', 'the clock of this host shows no usable date');
    if ((await readBackupRecord(server.layout, id)) === undefined && !(await pathExists(backupFolder(server.layout, id))))
      return id;
    await clock.sleep(250);
  }
}

function recordedFacts(facts: BackupFacts): Partial<Backup> {
  const { tablespaces } = facts;
  return {
    version: facts.version,
    pgdata: facts.pgdata ?? null,
    xlogSegmentSize: facts.segmentSize,
    configFile: facts.configFile ?? null,
    hbaFile: facts.hbaFile ?? null,
    identFile: facts.identFile ?? null,
    includedFiles: facts.includedFiles.length === 0 ? null : facts.includedFiles,
    tablespaces: tablespaces.length === 0 ? null : tablespaces,
    dataChecksums: facts.dataChecksums ?? null,
    summarizeWal: facts.summarizeWal ?? null,
    clusterSize: facts.clusterSize ?? null,
  };
}

/** Local time without its offset, as Barman tells when a backup began. */
function wallClock(date: Date): string {
  return formatLongTime(localTimestamp(date)).replace(/[+-]\d\d:\d\d$/, '');
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
