import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { firstPageBytes, parseFirstPage } from '../wal/first-page.ts';

/** A file of which a part is there. */
export interface UnfinishedCopy {
  readonly bytes: number;
  /** What the whole segment has; undefined as long as nothing of the file is there. */
  readonly wholeBytes: number | undefined;
  /** When the last of them came, in milliseconds since the epoch. */
  readonly changedAtMs: number;
}

/**
 * What is there of a file of which more has to come: of a plain segment less than its first page tells, of any other file nothing. An
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
