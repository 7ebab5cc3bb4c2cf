import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { startProgram } from '../transport/programs/run-program.ts';
import { nextSegment, type SegmentName } from '../wal/wal-name.ts';
import { quoted, remoteCall } from './fetch-wal.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { publishSegment } from './publish-segment.ts';
import { sshFailure } from './remote-host.ts';
import { announce } from './spool.ts';
import type { SpoolWatch } from './spool-watch.ts';

type Entry = AsyncIterable<Buffer> & { readonly header: Header };

/** How a row ended. */
export interface RowEnd {
  /** `broken` is a connection that may be there again; `unwanted`, what is not to be asked for again. */
  readonly kind: 'complete' | 'unwanted' | 'broken' | 'unknown-verb';
  /** The segment that comes next. */
  readonly next: SegmentName;
}

/** Bytes that one system call writes. */
const writtenAtOnce = 1 << 20;

/** Exit code of a Barman that does not know the verb. */
const usageError = 2;

/**
 * Fills the spool from `first` on through one connection: `send-wals` of the backup host sends as long as we read. A row that breaks off
 * is no failure: what is in the spool is whole, and recovery itself asks for what is missing.
 */
export async function receiveRow(first: SegmentName, options: PrefetchOptions, watch: SpoolWatch): Promise<RowEnd> {
  const { fetch } = options;
  const words = ['send-wals', quoted(fetch.serverName), quoted(first)];
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, watch.signal]);
  const running = await startProgram(remoteCall(words, fetch), { environment: fetch.environment, signal });
  running.stdin.end();
  const archive = extract();
  const feeding = pipeline(running.stdout, archive);
  feeding.catch(() => undefined); // the loop meets the same failure
  const row = new Row(first);
  const members = archive as unknown as AsyncIterable<Entry>; // streamx readables give buffers
  const kind = await storeMembers(members, row, { options, watch });
  if (kind !== 'complete') stopping.abort();
  running.stdout.resume(); // whoever ended by itself is heard to its end: its exit code says what it was
  const { exitCode = sshFailure } = await running.ended;
  if (exitCode === usageError) return { kind: 'unknown-verb', next: row.next };
  const isCutOff = kind === 'complete' && exitCode === sshFailure;
  return { kind: isCutOff ? 'broken' : kind, next: row.next };
}

/** How far a row has come. */
class Row {
  next: SegmentName;

  constructor(first: SegmentName) {
    this.next = first;
  }
}

interface Storing {
  readonly options: PrefetchOptions;
  readonly watch: SpoolWatch;
}

async function storeMembers(
  members: AsyncIterable<Entry>,
  row: Row,
  storing: Storing,
): Promise<'complete' | 'unwanted' | 'broken'> {
  try {
    return (await storeAll(members, row, storing)) ? 'complete' : 'unwanted';
  } catch (error) {
    const isOfOurDisk = error instanceof Error && 'syscall' in error;
    return isOfOurDisk ? 'unwanted' : 'broken'; // a full disk stays full; what was cut off by the other side has no system call
  }
}

/** Written in large pieces: what comes is cut as the pipe cuts it, and to hand over each piece takes more than to write it. */
async function storeMember(member: Entry, path: string): Promise<void> {
  await using file = await open(path, 'w');
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of member) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes < writtenAtOnce) continue;
    await writeAll(file, pieces);
    [pieces, bytes] = [[], 0];
  }
  if (bytes > 0) await writeAll(file, pieces);
}

/** @throws Error of the system call: also when the disk takes only a part, which it says with the next call */
async function writeAll(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  const wanted = pieces.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(pieces);
  if (bytesWritten < wanted) await file.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}

/** False when what comes is not wanted. */
async function storeAll(members: AsyncIterable<Entry>, row: Row, { options, watch }: Storing): Promise<boolean> {
  const { spool, segmentSize } = options;
  for await (const member of members) {
    if (member.header.name !== String(row.next) || !(await watch.waitForRoom())) return false;
    const arriving = join(spool.work, row.next);
    await storeMember(member, arriving);
    if (!(await publishSegment(arriving, row.next, options))) return false;
    row.next = nextSegment(row.next, segmentSize);
    announce(spool, [row.next]);
  }
  return true;
}
