import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pageChecksum, pageHeader } from '../postgres/page-checksum.ts';
import type { Context } from '../shared/context.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/host.ts';
import type { CopiedItem } from './copy-cluster.ts';
import type { CopyPlan } from './plan-copy.ts';
import { parseRelationFile, type RelationFile } from './relation-file.ts';
import type { SourceFile } from './source-file.ts';

/** A page whose checksum is wrong, on the server too. */
export interface BadPage {
  /** The file on the server. */
  readonly file: string;
  readonly relation: RelationFile;
  /** Number within the relation. */
  readonly block: number;
  readonly found: number;
  readonly expected: number;
}

interface VerifyOptions {
  readonly host: Host;
  readonly pageBytes: number;
  /** Where the backup begins: pages changed after it are written again by recovery. */
  readonly startLsn: bigint;
}

const chunkBytes = 4 * 1024 * 1024;
const segmentBytes = 1024 ** 3;
const rereads = 3;
const rereadPauseMs = 100;

/**
 * Verifies every page of the relations that were copied. A page that was written while it was read is torn, which is no damage: it is
 * read again from the server, and a good one takes the place of the torn one. Links to the backup before were verified with that.
 */
export async function verifyPages(
  copied: readonly CopiedItem[],
  options: VerifyOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<BadPage[]> {
  const bad: BadPage[] = [];
  for (const { item, plan } of copied) {
    for (const { path } of bothOf(plan)) {
      const relation = parseRelationFile(path);
      if (relation === undefined) continue;
      const file = { copy: join(item.destination, path), original: join(item.source, path), relation };
      for await (const suspect of suspectPages(file, options, context.signal)) {
        const page = await judgeAgain(suspect, options, context);
        if (page !== undefined) bad.push(page);
      }
    }
  }
  return bad;
}

/** What rsync wrote, or compared. */
function* bothOf({ sent, compared }: CopyPlan): Generator<SourceFile> {
  yield* sent;
  yield* compared;
}

interface VerifiedFile {
  readonly copy: string;
  readonly original: string;
  readonly relation: RelationFile;
}

interface Suspect extends VerifiedFile {
  /** Number within the file. */
  readonly index: number;
}

async function* suspectPages(
  file: VerifiedFile,
  { pageBytes, startLsn }: VerifyOptions,
  signal: AbortSignal,
): AsyncGenerator<Suspect> {
  const buffer = Buffer.from(new ArrayBuffer(chunkBytes)); // of its own, so that it can be seen as words
  const words = new Int32Array(buffer.buffer);
  await using handle = await openIfThere(file.copy);
  if (handle === undefined) return;
  for (let offset = 0; ; offset += chunkBytes) {
    if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal');
    const { bytesRead } = await handle.file.read(buffer, 0, chunkBytes, offset);
    for (let at = 0; at + pageBytes <= bytesRead; at += pageBytes) {
      const index = (offset + at) / pageBytes;
      const verdict = judgePage({ buffer, words, at, pageBytes }, blockOf(file, index, pageBytes), startLsn);
      if (verdict !== undefined) yield { ...file, index };
    }
    if (bytesRead < chunkBytes) return;
  }
}

async function openIfThere(path: string) {
  try {
    const file = await open(path, 'r');
    return { file, [Symbol.asyncDispose]: async () => await file.close() };
  } catch (error) {
    if (isMissing(error)) return undefined; // it vanished from the server before it could be copied
    throw error;
  }
}

function blockOf({ relation }: VerifiedFile, index: number, pageBytes: number): number {
  return relation.segment * (segmentBytes / pageBytes) + index;
}

interface PlacedPage {
  readonly buffer: Buffer;
  readonly words: Int32Array;
  /** Offset of the page in both. */
  readonly at: number;
  readonly pageBytes: number;
}

/** What is wrong with a page; undefined for a good one, a new one, and one that recovery writes again. */
function judgePage(
  { buffer, words, at, pageBytes }: PlacedPage,
  block: number,
  startLsn: bigint,
): { readonly found: number; readonly expected: number } | undefined {
  const { lsn, checksum, isNew } = pageHeader(buffer.subarray(at, at + 24));
  if (isNew || lsn >= startLsn) return undefined;
  const expected = pageChecksum(words, at / 4, pageBytes / 4, block);
  return expected === checksum ? undefined : { found: checksum, expected };
}

async function judgeAgain(
  suspect: Suspect,
  options: VerifyOptions,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
): Promise<BadPage | undefined> {
  const { pageBytes, startLsn } = options;
  const block = blockOf(suspect, suspect.index, pageBytes);
  for (let left = rereads; ; left--) {
    const page = await readOriginal(suspect, options, signal);
    if (page === undefined) return undefined; // the relation was truncated or dropped: so it will be by recovery
    const verdict = judgePage({ buffer: page, words: new Int32Array(page.buffer), at: 0, pageBytes }, block, startLsn);
    if (verdict === undefined) {
      await replacePage(suspect, page);
      return undefined;
    }
    if (left === 0) return { file: suspect.original, relation: suspect.relation, block, ...verdict };
    await clock.sleep(rereadPauseMs, signal);
  }
}

async function readOriginal(
  { original, index }: Suspect,
  { host, pageBytes }: VerifyOptions,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const script = '[ -e "$1" ] || exit 0; dd if="$1" bs="$2" skip="$3" count=1 status=none | base64';
  const result = await host.run(['sh', '-c', script, 'sh', original, String(pageBytes), String(index)], { signal });
  const read = Buffer.from(result.stdout, 'base64');
  if (result.exitCode !== 0 || read.length < pageBytes) return undefined;
  const page = Buffer.from(new ArrayBuffer(pageBytes));
  read.copy(page);
  return page;
}

/** What is verified is never shared with another backup: rsync makes a new file for whatever it writes. */
async function replacePage({ copy, index }: Suspect, page: Buffer): Promise<void> {
  await using file = await open(copy, 'r+');
  const { nlink } = await file.stat();
  if (nlink > 1) return; // the same bytes as before: it was good then
  await file.write(page, 0, page.length, index * page.length);
  await file.sync();
}
