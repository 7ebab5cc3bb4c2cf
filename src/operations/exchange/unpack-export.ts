import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, open, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Header } from 'tar-stream';
import type { Server } from '../../config/server.ts';
import { extractBytes, memberName } from '../../shared/byte-tar.ts';
import type { Context } from '../../shared/context.ts';
import { syncFolder } from '../../shared/durable-file.ts';
import { onDisk } from '../../shared/file-name.ts';
import { entriesIn } from '../../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { decompressing } from './export-filter.ts';
import type { ExportName } from './export-name.ts';

/** One member of a tar stream. */
type Entry = AsyncIterable<Buffer> & { readonly header: Header; resume(): void };

/** The parts that were left out of the staging folder. */
export interface Unpacked {
  /** Names of the links below `backup/data/pg_tblspc`, which are made anew from the record. */
  readonly tablespaceLinks: readonly string[];
}

interface Unpacking {
  readonly server: Server;
  readonly name: ExportName;
  readonly context: Pick<Context, 'progress' | 'signal'>;
}

/** Members that are wanted: small files at the top, and two trees. */
const smallFiles: readonly string[] = ['identity.json', 'backup.info', 'barman.json', 'xlog.db'];
const mostSmallBytes = 64 * 1024 * 1024;

/**
 * Unpacks an exported backup into an empty staging folder, synced (docs/reference/since-3.17.md section 2.3). The file is hostile until its checksum fits:
 * nothing is written outside the folder, no link is followed or made, and no special file.
 * @throws OperatorError `export-invalid` when the file is no such tarball, or not the one that its name says
 */
export async function unpackExport(path: string, staging: string, { server, name, context }: Unpacking): Promise<Unpacked> {
  const hash = createHash('sha256');
  let doneBytes = 0;
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      doneBytes += chunk.length;
      context.progress.advance(doneBytes);
      done(null, chunk);
    },
  });
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  context.progress.begin({ label: 'unpacking', totalBytes: size });
  const source = file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 });
  let failure: unknown;
  let unpacked: Unpacked = { tablespaceLinks: [] };
  try {
    unpacked = await unpack(source, hashing, { staging, server, name, signal: context.signal });
  } catch (error) {
    failure = error;
  } finally {
    context.progress.end();
  }
  if (context.signal.aborted) throw new OperatorError('interrupted', 'the import was interrupted');
  // of a file that was edited or cut, the checksum is the best that can be said
  const digest = failure === undefined ? hash.digest('hex') : await digestOf(path);
  if (digest.slice(0, 8) !== name.checksum) {
    throw invalid(`its checksum is ${digest.slice(0, 8)}, its name says ${name.checksum}`);
  }
  if (failure !== undefined) throw asRefusal(failure);
  return unpacked;
}

interface Stages {
  readonly staging: string;
  readonly server: Server;
  readonly name: ExportName;
  readonly signal: AbortSignal;
}

async function unpack(
  source: NodeJS.ReadableStream,
  hashing: Transform,
  { staging, server, name, signal }: Stages,
): Promise<Unpacked> {
  const filter = await decompressing(name.compression, server);
  const archive = extractBytes();
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const flowing = Promise.all([
    pipeline(source, hashing, filter.input, { signal: either }),
    pipeline(filter.output, archive, { signal: either }),
  ]);
  const links: string[] = [];
  const unpacking = (async () => {
    for await (const entry of archive) {
      const link = await unpackMember(entry as unknown as Entry, staging); // streamx readables give buffers
      if (link !== undefined) links.push(link);
    }
  })();
  try {
    await Promise.all([flowing, unpacking]); // of a file that is cut off, a member waits for ever: the flow tells
    await filter.finish();
  } catch (error) {
    stop.abort();
    await flowing.catch(() => undefined); // the failure that we have says more
    unpacking.catch(() => undefined);
    throw error;
  }
  await syncTree(staging);
  return { tablespaceLinks: links };
}

/** @returns the name of a tablespace link that was left out */
async function unpackMember(entry: Entry, staging: string): Promise<string | undefined> {
  const { header } = entry;
  const name = memberName(header);
  const parts = partsOf(name);
  const [top = ''] = parts;
  const path = join(staging, ...parts);
  const isWanted = smallFiles.includes(parts.join('/')) || top === 'backup' || top === 'wals';
  switch (header.type) {
    case 'directory':
      if (isWanted) await makeFolder(path, header.mode);
      entry.resume();
      return undefined;
    case 'file':
      if (!isWanted || parts.join('/') === 'backup/backup.info') entry.resume();
      else await unpackFile(entry, path, parts.length === 1);
      return undefined;
    case 'symlink': {
      const [, data, tablespaces, link, ...more] = parts;
      if (top !== 'backup' || data !== 'data' || tablespaces !== 'pg_tblspc' || link === undefined || more.length > 0) {
        throw invalid(`it has a symbolic link where none belongs: ${shown(name)}`);
      }
      entry.resume();
      return link;
    }
    default:
      throw invalid(`it has a member that is neither file nor folder: ${shown(name)} (${header.type})`);
  }
}

/** Its own permissions stay, and ours to work in it; no set-user bits. */
async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(onDisk(path), { recursive: true });
  await chmod(onDisk(path), (mode & 0o777) | 0o700);
}

async function unpackFile(entry: Entry, path: string, isSmall: boolean): Promise<void> {
  const { size, mode, mtime } = entry.header;
  if (isSmall && size > mostSmallBytes) throw invalid(`${shown(entry.header.name)} is too large`);
  await mkdir(onDisk(dirname(path)), { recursive: true });
  // `wx`: a second member of the same name is refused; there are no links that it could go through
  await pipeline(
    entry,
    createWriteStream(onDisk(path), { flags: 'wx', mode: (mode & 0o777) | 0o600, flush: true, highWaterMark: 1 << 20 }),
  );
  await utimes(onDisk(path), mtime, mtime);
}

/** Parts of a member's name below the staging folder. @throws OperatorError for one that leads out of it */
function partsOf(name: string): readonly string[] {
  const parts = name
    .replace(/^(?:\.\/)+/, '')
    .replace(/\/+$/, '')
    .split('/');
  const isSafe = !name.startsWith('/') && !name.includes('\0') && parts.every((part) => !['', '.', '..'].includes(part));
  if (!isSafe && name !== './' && name !== '.') throw invalid(`it has a member that leads elsewhere: ${shown(name)}`);
  return parts;
}

/** Folders from the inside out; files were synced when they were written. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await entriesIn(folder)) {
    if (entry.isDirectory()) await syncTree(join(folder, entry.name));
  }
  await syncFolder(folder);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Trouble of this host stays what it is; anything else means that the file is no such tarball. */
function asRefusal(error: unknown): unknown {
  if (error instanceof OperatorError && error.code !== 'command-failed') return error;
  const code = systemCodeOf(error);
  if (code === 'EEXIST' || code === 'EISDIR' || code === 'ENOTDIR') return invalid('two of its members have one name');
  if (code !== undefined && /^E[A-Z]+$/.test(code) && !code.startsWith('ERR_')) return error;
  return invalid(`it cannot be read as a tar file (${messageOf(error)})`);
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

function invalid(reason: string): OperatorError {
  return new OperatorError('export-invalid', `the file is not a backup that can be imported: ${reason}`, {
    hint: 'nothing was imported; copy the file again from the host that exported it',
  });
}
