import { pageChecksum, pageHeader } from '../postgres/page-checksum.ts';

/** Positions in WAL: recovery of the backup replays what lies between, and begins each page that it changes with a whole image. */
export interface ReplayedWal {
  /** Where the backup begins. */
  readonly start: bigint;
  /** Where the server is, asked after the page was read: no sound page says that it was changed later. */
  readonly end: bigint;
}

/** One page in a buffer that may hold more of them. */
interface PlacedPage {
  readonly buffer: Buffer;
  /** The same memory. */
  readonly words: Int32Array;
  /** Offset of the page in the buffer. */
  readonly at: number;
  readonly pageBytes: number;
}

/** - `sound`: and not changed since the backup began
 * - `replayed`: changed since then, so that recovery writes it anew, whatever it looks like
 * - `wrong`: neither */
export type PageVerdict =
  | { readonly kind: 'sound' | 'replayed' }
  | { readonly kind: 'wrong'; readonly found: number; readonly expected: number };

/**
 * Judges a page as PostgreSQL does when it reads it (`PageIsVerified`) or backs it up: a new page is all zeros, any other one has the
 * checksum of its content. `block` counts within the relation.
 */
export function judgePage(
  { buffer, words, at, pageBytes }: PlacedPage,
  block: number,
  { start, end }: ReplayedWal,
): PageVerdict {
  const { lsn, checksum, isNew } = pageHeader(buffer.subarray(at, at + 24));
  if (lsn >= start && lsn <= end) return { kind: 'replayed' };
  if (isNew && isAllZero(words, at / 4, pageBytes / 4)) return { kind: 'sound' };
  const expected = pageChecksum(words, at / 4, pageBytes / 4, block);
  if (expected === checksum && !isNew) return { kind: 'sound' };
  return { kind: 'wrong', found: checksum, expected };
}

function isAllZero(words: Int32Array, first: number, count: number): boolean {
  for (let index = first; index < first + count; index++) if (words[index] !== 0) return false;
  return true;
}
