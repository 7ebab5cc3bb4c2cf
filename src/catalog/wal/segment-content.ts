import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform, Writable } from 'node:stream';
import { codecFor } from '../../compression/all-codecs.ts';
import { contentOf, type DetectedCompression, damageOf, isDamage } from '../../compression/codec.ts';
import { formHeadLength, formOfHead, type WalStorage } from '../../encryption/stored-wal.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import {
  type FirstPage,
  firstPageBytes,
  misplacement,
  parseFirstPage,
  parseSegmentName,
  type SegmentName,
  type WalName,
} from '../../wal/wal-name.ts';

/** The content of a file with the name of a segment, as far as it can be seen without a secret. */
export type SegmentContent =
  | { readonly kind: 'whole'; readonly page: FirstPage }
  /** Another number of bytes than its first page says. */
  | { readonly kind: 'piece'; readonly page: FirstPage; readonly bytes: number }
  /** Begins with zeros, or with nothing: of a segment nothing is there yet. */
  | { readonly kind: 'unwritten'; readonly bytes: number }
  /** Compressed, and cannot be decompressed to its end. */
  | { readonly kind: 'damaged'; readonly reason: string }
  /** Encrypted: only its owner can see what it is. */
  | { readonly kind: 'sealed' }
  /** Neither WAL nor of a kind that is known. */
  | { readonly kind: 'foreign-matter'; readonly bytes: number; readonly compression: DetectedCompression | undefined };

/** No segment is larger. */
const mostSegmentBytes = 1 << 30;

/**
 * Reads the first page of a segment, and all of it when it is compressed: a cut or changed byte is found only at the end.
 * @throws OperatorError when the program that decompresses it is missing, or is the server's own and fails; what the file system says
 */
export async function readSegmentContent(path: string, storage: WalStorage): Promise<SegmentContent> {
  const { head, bytes } = await readStart(path, storage);
  const { compression, encryption } = formOfHead(head, storage.custom);
  if (encryption !== undefined) return { kind: 'sealed' };
  if (compression === undefined) return judge(head, bytes, undefined);
  const counted = counting();
  try {
    await unpack(path, compression, storage, counted.sink);
  } catch (error) {
    if (isDamage(error)) return { kind: 'damaged', reason: damageOf(error) };
    if (!counted.hasOverflown) throw error;
  }
  return judge(counted.head, counted.bytes, compression);
}

/**
 * As {@link readSegmentContent} of a file that is neither compressed nor encrypted; undefined for one that is, or that may be.
 * Synchronous: a look into the first page costs less than a turn through the thread pool.
 */
export function readPlainSegment(path: string, { custom }: Pick<WalStorage, 'custom'>): SegmentContent | undefined {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.max(firstPageBytes, formHeadLength(custom)));
    const head = buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
    const { compression, encryption } = formOfHead(head, custom);
    return compression === undefined && encryption === undefined ? judge(head, size, undefined) : undefined;
  } finally {
    closeSync(file);
  }
}

/** Whether a file lies plain, and begins or ends as the segment of that name does not. */
export function isOtherSegment(path: string, name: WalName): boolean {
  const segment = parseSegmentName(name);
  const content = segment === undefined ? undefined : readPlainSegment(path, { custom: undefined });
  if (segment === undefined || content === undefined) return false;
  return content.kind === 'foreign-matter' || segmentProblem(content, segment) !== undefined;
}

/** Why content cannot be the segment of that name; undefined when it can, or when that cannot be seen. */
export function segmentProblem(content: SegmentContent, name: SegmentName): string | undefined {
  switch (content.kind) {
    case 'whole':
      return misplacement(content.page, name);
    case 'piece':
      return `it has ${String(content.bytes)} bytes instead of ${String(content.page.segmentSize)}`;
    case 'unwritten':
      return content.bytes === 0 ? 'it is empty' : 'it begins with zeros, not with a page of WAL';
    case 'damaged':
      return `it cannot be decompressed: ${content.reason}`;
    case 'sealed':
    case 'foreign-matter':
      return undefined;
  }
}

/**
 * Passes on the plain bytes of a segment, and fails when they turn out not to be that segment, if that can be before the first one. No
 * class: to extend one of Node's would load it for every segment that goes out as it lies.
 */
export function segmentChecker(name: SegmentName): Transform {
  let held: Buffer | undefined = Buffer.alloc(0);
  let head = Buffer.alloc(0);
  let bytes = 0;
  return new Transform({
    highWaterMark: 1 << 20,
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (held === undefined) {
        done(null, chunk);
        return;
      }
      held = Buffer.concat([held, chunk]);
      if (held.length < firstPageBytes) {
        done();
        return;
      }
      head = Buffer.from(held.subarray(0, firstPageBytes));
      const page = parseFirstPage(head);
      const problem = page === undefined ? undefined : misplacement(page, name);
      const ready = held;
      held = undefined;
      if (problem === undefined) done(null, ready);
      else done(notThatSegment(problem));
    },
    flush(done) {
      const problem = segmentProblem(judge(held ?? head, bytes, undefined), name);
      if (problem !== undefined) done(notThatSegment(problem));
      else done(null, held !== undefined && held.length > 0 ? held : undefined);
    },
  });
}

function notThatSegment(problem: string): OperatorError {
  return new OperatorError('wal-stream-invalid', problem);
}

/**
 * The first page of a segment, whatever is wrong behind it; undefined where there is none or it cannot be seen. What is compressed is
 * read no further than that.
 */
export async function readFirstPage(path: string, storage: WalStorage): Promise<FirstPage | undefined> {
  const { head } = await readStart(path, storage);
  const { compression, encryption } = formOfHead(head, storage.custom);
  if (encryption !== undefined) return undefined;
  if (compression === undefined) return parseFirstPage(head);
  const counted = counting(firstPageBytes);
  try {
    await unpack(path, compression, storage, counted.sink);
  } catch {
    // it had what was wanted, or whoever reads all of it tells why it cannot be read
  }
  return parseFirstPage(counted.head);
}

async function readStart(path: string, { custom }: WalStorage): Promise<{ readonly head: Buffer; readonly bytes: number }> {
  await using file = await open(path, 'r');
  const length = Math.max(firstPageBytes, formHeadLength(custom));
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
  return { head: buffer.subarray(0, bytesRead), bytes: (await file.stat()).size };
}

async function unpack(path: string, compression: DetectedCompression, storage: WalStorage, to: Writable): Promise<void> {
  await codecFor(compression, storage.custom)?.decompress(contentOf(path), to, storage);
}

function judge(head: Buffer, bytes: number, compression: DetectedCompression | undefined): SegmentContent {
  const page = parseFirstPage(head);
  if (page !== undefined) return page.segmentSize === bytes ? { kind: 'whole', page } : { kind: 'piece', page, bytes };
  if (head.subarray(0, firstPageBytes).every((byte) => byte === 0)) return { kind: 'unwritten', bytes };
  return { kind: 'foreign-matter', bytes, compression };
}

interface Counted {
  bytes: number;
  head: Buffer;
  hasOverflown: boolean;
  readonly sink: Writable;
}

/** Counts what is written, keeps its beginning, and fails as soon as it is more than any segment, or than was wanted. */
function counting(most = mostSegmentBytes): Counted {
  const limit = (): number => Math.min(most, parseFirstPage(counted.head)?.segmentSize ?? most);
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (counted.head.length < firstPageBytes) counted.head = Buffer.concat([counted.head, chunk.subarray(0, firstPageBytes)]);
      counted.bytes += chunk.length;
      counted.hasOverflown = counted.bytes > limit();
      if (counted.hasOverflown) done(new Error('there is more than was wanted'));
      else done();
    },
  });
  const counted: Counted = { bytes: 0, head: Buffer.alloc(0), hasOverflown: false, sink };
  return counted;
}

/** A file of which a part is there. */
export interface UnfinishedCopy {
  readonly bytes: number;
  /** The size of the whole segment; undefined as long as the file is empty. */
  readonly wholeBytes: number | undefined;
  /** When the last of them came, in milliseconds since the epoch. */
  readonly changedAtMs: number;
}

/**
 * Detects an unfinished copy: a plain segment that is shorter than its first page says, or any other file that is empty. An
 * `archive_command` like `cp` writes under the final name, and what is taken from it half-way is lost although PostgreSQL is then told
 * that it was archived. Undefined for what is whole, as far as can be seen. Synchronous: there can be thousands.
 */
export function unfinishedCopy(path: string): UnfinishedCopy | undefined {
  const { head, bytes, changedAtMs } = lookAt(path) ?? {};
  if (head === undefined || bytes === undefined || changedAtMs === undefined) return undefined;
  const wholeBytes = parseFirstPage(head)?.segmentSize;
  const isWhole = wholeBytes === undefined ? bytes > 0 : bytes >= wholeBytes;
  return isWhole ? undefined : { bytes, wholeBytes, changedAtMs };
}

/** Undefined when it is gone, or cannot be read: whoever archives it meets that, and tells it. */
function lookAt(path: string): { head: Buffer; bytes: number; changedAtMs: number } | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const { size, mtimeMs } = fstatSync(file); // before the reading: a page that comes in between belongs to a copy under way
      const head = Buffer.alloc(firstPageBytes);
      return { head: head.subarray(0, readSync(file, head, 0, firstPageBytes, 0)), bytes: size, changedAtMs: mtimeMs };
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
