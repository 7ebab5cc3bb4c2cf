import { open } from 'node:fs/promises';
import { isMissing } from '../shared/look.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import type { Host } from '../transport/hosts/host.ts';
import { judgePage, type ReplayedWal } from './judge-page.ts';
import type { RelationFile } from './relation-file.ts';

/** A file of a relation in the backup and on the server. */
export interface VerifiedFile {
  readonly copy: string;
  readonly original: string;
  readonly relation: RelationFile;
}

export interface VerifyOptions {
  readonly host: Host;
  readonly pageBytes: number;
  /** Where the backup begins: pages changed after it are written again by recovery. */
  readonly startLsn: bigint;
  /** Where the server is now. */
  readonly currentLsn: () => Promise<bigint>;
}

const chunkBytes = 4 * 1024 * 1024;
const segmentBytes = 1024 ** 3;

/** A page that looks wrong. */
export interface Suspect {
  /** Number within the file. */
  readonly index: number;
  readonly found: number;
  readonly expected: number;
}

/** The pages of a copy that look wrong: those of each chunk that has some, in order. @throws OperatorError `interrupted` */
export async function* suspectPages(
  file: VerifiedFile,
  { pageBytes, wal }: { readonly pageBytes: number; readonly wal: ReplayedWal },
  signal: AbortSignal,
): AsyncGenerator<Suspect[]> {
  await using handle = await openIfThere(file.copy);
  if (handle === undefined) return;
  const buffer = Buffer.from(new ArrayBuffer(chunkBytes)); // of its own, so that it can be seen as words
  const words = wordsOf(buffer);
  for (let offset = 0; ; offset += chunkBytes) {
    throwIfInterrupted(signal);
    const { bytesRead } = await handle.file.read(buffer, 0, chunkBytes, offset);
    const suspects: Suspect[] = [];
    for (const { index, at } of pagesIn({ bytesRead, offset, pageBytes })) {
      const page = { buffer, words, at, pageBytes };
      const verdict = judgePage(page, blockOf(file, index, pageBytes), wal);
      if (verdict.kind === 'wrong') suspects.push({ index, ...verdict });
    }
    if (suspects.length > 0) yield suspects;
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

interface ReadChunk {
  readonly bytesRead: number;
  /** Of the chunk in its file. */
  readonly offset: number;
  readonly pageBytes: number;
}

/** Whole pages, by their number in the file and their place in the chunk. */
function* pagesIn({ bytesRead, offset, pageBytes }: ReadChunk): Generator<{ readonly index: number; readonly at: number }> {
  for (let at = 0; at + pageBytes <= bytesRead; at += pageBytes) yield { index: (offset + at) / pageBytes, at };
}

/** The words of a buffer that has its memory for itself. */
export function wordsOf({ buffer, byteOffset, length }: Buffer): Int32Array {
  return new Int32Array(buffer, byteOffset, length / 4);
}

/** Number within the relation of a page of a file. */
export function blockOf({ relation }: VerifiedFile, index: number, pageBytes: number): number {
  return relation.segment * (segmentBytes / pageBytes) + index;
}
