import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isMissing, pathExists } from '../shared/look.ts';
import { defaultSegmentSize, nextSegment, parseSegmentName, type SegmentName } from '../wal/wal-name.ts';
import type { BackupHost } from './backup-host.ts';

/** A file that was sent before PostgreSQL asked for it, told by what makes it that very file. */
interface SentFile {
  readonly name: string;
  readonly size: number;
  readonly inode: number;
  readonly modifiedNs: string;
}

/** Files of one unbroken run, and where they were sent. */
interface SentRun {
  readonly destination: string;
  readonly files: readonly SentFile[];
}

/** The file and its destination. */
interface Sending {
  readonly remote: BackupHost;
  readonly serverName: string;
  readonly walPath: string;
}

const cacheFile = 'wal-last-archived';
const ownFile = 'pgcellar-sent-ahead.json';

/** Default folder of the cache (docs/reference/since-3.17.md section 3): one for each host, port, configuration and server. */
export function defaultCacheFolder(remote: BackupHost, serverName: string): string {
  const port = remote.port === undefined ? 'None' : String(remote.port);
  const key = `${remote.host}:${port}:${remote.configPath ?? 'None'}`;
  return `/tmp/barman-${serverName}-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}

/**
 * Whether a cache folder may be trusted: a real folder of ours that nobody else can write to. It is made when it is missing.
 * @returns why not; undefined when it may
 */
export async function cacheProblem(folder: string, userId: number | undefined): Promise<string | undefined> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await lstat(folder);
    if (!found.isDirectory()) return `${folder} is not a folder`;
    if (userId !== undefined && found.uid !== userId) return `${folder} belongs to another user`;
    return (found.mode & 0o022) === 0 ? undefined : `${folder} can be written by others`;
  } catch (error) {
    return `${folder}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Whether this very file was sent ahead, to this very place. Barman compares names only, and so acknowledges the WAL of a new cluster,
 * of another timeline, or for another backup host without sending it; here destination, size, inode and time of the file are the same.
 */
export async function wasSentAhead(folder: string, { walPath, ...to }: Sending): Promise<boolean> {
  const { destination, files } = await readSent(folder);
  const found = files.find(({ name }) => name === basename(walPath));
  if (found === undefined || destination !== destinationOf(to)) return false;
  const now = await identityOf(walPath);
  return now !== undefined && now.inode === found.inode && now.size === found.size && now.modifiedNs === found.modifiedNs;
}

/** Notes an unbroken run of files that were sent, in Barman's form (the last name) and in our own. */
export async function noteSentAhead(folder: string, to: Omit<Sending, 'walPath'>, walPaths: readonly string[]): Promise<void> {
  const last = walPaths.at(-1);
  if (last === undefined) return;
  const identities = await Promise.all(walPaths.map(identityOf));
  const run: SentRun = { destination: destinationOf(to), files: identities.filter((sent) => sent !== undefined) };
  await writeFileDurably(join(folder, ownFile), JSON.stringify(run), { mode: 0o600 });
  await writeFileDurably(join(folder, cacheFile), basename(last), { mode: 0o600 });
}

/** Two backup hosts may share one folder of the cache: what one has, the other still needs. */
function destinationOf({ remote, serverName }: Omit<Sending, 'walPath'>): string {
  const { user, host, port, configPath, program } = remote;
  return JSON.stringify([user, host, port ?? null, configPath ?? null, program, serverName]);
}

/** Segments after `walPath` that PostgreSQL has ready to be archived, at most `count`; the first one that is not ready ends the row. */
export async function readyAfter(walPath: string, count: number): Promise<string[]> {
  const folder = dirname(walPath);
  const first = parseSegmentName(basename(walPath));
  if (first === undefined) return [];
  const { size } = await stat(walPath);
  const segmentSize = isSegmentSize(size) ? size : defaultSegmentSize;
  const ready: string[] = [];
  let name: SegmentName = first;
  for (let step = 0; step < count; step++) {
    name = nextSegment(name, segmentSize);
    if (!(await pathExists(join(folder, 'archive_status', `${name}.ready`)))) break;
    if (await pathExists(join(folder, name))) ready.push(join(folder, name));
  }
  return ready;
}

function isSegmentSize(size: number): boolean {
  return size >= 1 << 20 && size <= 1 << 30 && (size & (size - 1)) === 0;
}

async function readSent(folder: string): Promise<SentRun> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, ownFile), 'utf8'));
    return isSentRun(value) ? value : nothingSent;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return nothingSent; // then it is sent again
    throw error;
  }
}

const nothingSent: SentRun = { destination: '', files: [] };

function isSentRun(value: unknown): value is SentRun {
  if (typeof value !== 'object' || value === null || !('destination' in value && 'files' in value)) return false;
  return Array.isArray(value.files) && value.files.every(isSentFile);
}

function isSentFile(value: unknown): value is SentFile {
  if (typeof value !== 'object' || value === null) return false;
  return ['name', 'size', 'inode', 'modifiedNs'].every((key) => key in value);
}

async function identityOf(path: string): Promise<SentFile | undefined> {
  try {
    const { size, ino, mtimeNs } = await stat(path, { bigint: true });
    return { name: basename(path), size: Number(size), inode: Number(ino), modifiedNs: String(mtimeNs) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
