import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, constants, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { readRecordText } from '../../catalog/backups/backup-records.ts';
import { readIdentity } from '../../catalog/identity.ts';
import { WalIndex } from '../../catalog/index/wal-index.ts';
import { backupLockPath, xlogdbPath } from '../../catalog/server-layout.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import { isStoreUrl } from '../../config/option-kind.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { syncFile, syncFolder } from '../../shared/durable-file.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { namesIn } from '../../shared/look.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { formatCompactTime, localTimestamp, withOffset } from '../../shared/timestamp.ts';
import type { Wording } from '../../shared/voice.ts';
import { localHost } from '../../transport/hosts/local-host.ts';
import type { SegmentName } from '../../wal/wal-name.ts';
import { readBackupHostFacts } from '../server/system-facts.ts';
import { compressing, requireLevel } from './export-filter.ts';
import { MemberWriter } from './export-members.ts';
import { type ExportCompression, exportNames } from './export-name.ts';
import { neededSegments } from './needed-segments.ts';

interface ExportOptions {
  /** The backup as it was named. */
  readonly wanted: string;
  readonly outputFolder: string;
  readonly compression: ExportCompression | undefined;
  readonly level: number | undefined;
}

/** Everything that goes into the tarball, found before the first byte is written. */
interface Contents {
  readonly backup: Backup;
  readonly record: string;
  readonly identity: string;
  readonly segments: readonly SegmentName[];
  /** Lines of the index of exactly these segments, as they stand. */
  readonly indexLines: readonly string[];
  readonly totalBytes: number;
}

/**
 * Packs a backup with the WAL that it needs into one file (docs/reference/since-3.17.md section 2.2). The file has its final name when it is complete
 * and synced, and never another.
 * @returns its path
 * @throws OperatorError `backup-refused` for a backup that cannot be exported; `wal-not-found`, `destination-unusable`, `lock-busy`
 */
export async function exportBackup(server: Server, backup: Backup, options: ExportOptions, context: Context): Promise<string> {
  requireLevel(options.compression, options.level);
  const folder = resolve(options.outputFolder);
  refuseUnfit(server, backup);
  await requireFolder(folder);
  await using lock = await tryLockFile(backupLockPath(server.layout, backup.id));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another process works on backup ${backup.id} of server ${server.config.name}`);
  }
  const contents = await readContents(server, backup);
  const stamp = formatCompactTime(withOffset(localTimestamp(context.clock.now()), 0));
  const names = exportNames(server.config.name, backup.id, stamp);
  await removeLeftovers(folder, server, backup);
  const { name } = server.config;
  context.messages.info(`Exporting backup ${backup.id} of server ${name} to ${folder}`, {
    asBarman: `Exporting backup '${options.wanted}' from server '${name}' to '${options.outputFolder}'`,
  });
  const working = join(folder, names.working);
  try {
    const checksum = await writeTarball(working, { server, contents, options, context });
    const finished = join(folder, names.finished(checksum.slice(0, 8), options.compression));
    await syncFile(working);
    await rename(working, finished);
    await syncFolder(folder);
    context.messages.info(`Backup ${backup.id} of server ${name} has been exported to ${finished}`, {
      asBarman: `Export completed successfully: ${finished}`,
    });
    return finished;
  } catch (error) {
    await rm(working, { force: true });
    if (context.signal.aborted) throw new OperatorError('interrupted', `the export of backup ${backup.id} was interrupted`);
    throw error;
  }
}

async function requireFolder(folder: string): Promise<void> {
  const refuse = (reason: string): never => {
    throw new OperatorError('destination-unusable', `cannot export to ${folder}: ${reason}`, {
      hint: 'name an existing folder that the user may write to',
      ...(reason === 'ENOENT' ? { asBarman: `Output directory '${folder}' does not exist` } : {}),
    });
  };
  try {
    if (!(await stat(folder)).isDirectory()) refuse('it is not a folder');
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    refuse(systemCodeOf(error) ?? String(error));
  }
}

function refuseUnfit({ config }: Server, backup: Backup): void {
  const refuse = (reason: string, hint: string, asBarman?: Wording): never => {
    throw new OperatorError('backup-refused', `backup ${backup.id} of server ${config.name} cannot be exported: ${reason}`, {
      hint,
      asBarman,
    });
  };
  const { basebackups_directory: base, wals_directory: wals } = config.options;
  if (isStoreUrl(base) || isStoreUrl(wals)) refuse('it lies in an object store', 'copy it with the tools of the store');
  if (backup.parentBackupId !== null || backupTypeOf(backup) === 'incremental') {
    refuse('it is incremental', 'export a full backup: an incremental one cannot be restored without it', [
      `Cannot export backup ${backup.id} from server ${config.name}: it is an incremental backup.`,
      'Only full backups are eligible for exporting.',
    ]);
  }
  if (backup.status !== 'DONE') refuse(`its status is ${backup.status}`, 'only a backup that is DONE can be exported');
}

async function readContents(server: Server, backup: Backup): Promise<Contents> {
  const { layout, config } = server;
  const identity = await readIdentity(layout);
  if (identity === undefined) {
    throw new OperatorError('backup-refused', `server ${config.name} has no identity.json yet, so its cluster is unknown`, {
      hint: 'the next backup writes it',
    });
  }
  const segments = neededSegments(backup);
  const lines = await readIndexLines(server, new Set(segments));
  const missing = await missingOf(server, segments, lines);
  if (missing !== undefined) {
    throw new OperatorError(
      'wal-not-found',
      `backup ${backup.id} needs the WAL segment ${missing}, which is not in the archive`,
      {
        hint: `check-backup ${config.name} ${backup.id} names the missing WAL`,
      },
    );
  }
  return {
    backup,
    segments,
    indexLines: segments.map((name) => lines.get(name) ?? ''),
    identity: `${JSON.stringify({ systemid: identity.systemid, version: identity.version }, null, 4)}\n`,
    record: (await readRecordText(layout, backup.id)) ?? '',
    totalBytes: backup.size ?? 0,
  };
}

/** Lines of the index by name, as they stand. */
async function readIndexLines(server: Server, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const index = await WalIndex.openToRead(server.layout);
  try {
    const lines = createInterface({ input: createReadStream(xlogdbPath(server.layout)), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) {
      const [name = ''] = line.split('\t');
      if (wanted.has(name)) found.set(name, `${line}\n`);
    }
    return found;
  } finally {
    await index[Symbol.asyncDispose]();
  }
}

async function missingOf(
  { layout }: Server,
  segments: readonly SegmentName[],
  lines: ReadonlyMap<string, string>,
): Promise<SegmentName | undefined> {
  const archive = walArchiveOf(layout);
  for (const name of segments) {
    if (!lines.has(name) || !(await archive.has(name))) return name;
  }
  return undefined;
}

/** The files that killed exports of this backup left: their lock is ours now. */
async function removeLeftovers(folder: string, { config }: Server, { id }: Backup): Promise<void> {
  const prefix = `backup-export-${config.name}-${id}-`;
  for (const name of await namesIn(folder)) {
    if (name.startsWith(prefix) && /^\d{8}T\d{6}\.tmp$/.test(name.slice(prefix.length)))
      await rm(join(folder, name), { force: true });
  }
}

interface Writing {
  readonly server: Server;
  readonly contents: Contents;
  readonly options: ExportOptions;
  readonly context: Context;
}

/** @returns the SHA-256 of the file */
async function writeTarball(path: string, { server, contents, options, context }: Writing): Promise<string> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const tarball = pack();
  const filter = await compressing(options.compression, options.level, server);
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  // holds a copy of a database: nobody else's to read
  const out = createWriteStream(path, { flags: 'wx', mode: 0o600, highWaterMark: 1 << 20 });
  const flowing = Promise.all([pipeline(tarball, filter.input, { signal }), pipeline(filter.output, hashing, out, { signal })]);
  try {
    await Promise.race([flowing, writeMembers(tarball, { server, contents, options, context })]);
    await flowing;
    await filter.finish();
  } catch (error) {
    stop.abort();
    await flowing.catch(() => undefined); // the failure that we have says more
    throw error;
  } finally {
    context.progress.end();
  }
  return hash.digest('hex');
}

/** The members in the order of the format. */
async function writeMembers(tarball: ReturnType<typeof pack>, { server, contents, context }: Writing): Promise<void> {
  const { backup, segments, indexLines, totalBytes } = contents;
  const { layout, environment } = server;
  let doneBytes = 0;
  context.progress.begin({ label: `exporting backup ${backup.id}`, totalBytes });
  const members = new MemberWriter(tarball, (count) => {
    doneBytes += count;
    context.progress.advance(doneBytes);
  });
  await using host = localHost(environment);
  const facts = await readBackupHostFacts(host, context.clock);
  const now = context.clock.now();
  await members.text('identity.json', contents.identity, new Date(0));
  await members.text('backup.info', contents.record, now);
  await members.text('barman.json', `${JSON.stringify(facts, Object.keys(facts).toSorted(), 4)}\n`, now);
  await members.tree('backup', backupFilesOf(layout, backup.id).folder, new Set(['backup.info', 'annotations']));
  const archive = walArchiveOf(layout);
  let folder = '';
  for (const name of segments) {
    const hashFolder = name.slice(0, 16);
    if (folder === '') await members.folder('wals');
    if (folder !== hashFolder) await members.folder(`wals/${hashFolder}`);
    folder = hashFolder;
    await members.file(`wals/${hashFolder}/${name}`, archive.pathOf(name));
  }
  await members.text('xlog.db', indexLines.join(''), now);
  tarball.finalize();
}
