import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { CustomCompression } from '../../compression/codec.ts';
import { formHeadLength, formOfHead } from '../../encryption/stored-wal.ts';
import { sizeAndTimeIn } from '../../shared/look.ts';
import { firstPageBytes, parseFirstPage } from '../../wal/first-page.ts';
import { type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { WalEntry } from './wal-entry.ts';

/** A pipe of that name must not hold us up. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * What the index has to say of an archived file; undefined when no file is at `path`, or one that cannot be a whole one (a crash or a full
 * disk empties a file or cuts it short). Synchronous: a rebuild does it a million times, and four turns through the thread pool cost more than
 * what they wait for.
 */
export function describeWal(path: string, name: WalName, custom: CustomCompression | undefined): WalEntry | undefined {
  const file = openSync(path, flags);
  try {
    const { size, time, isFile } = sizeAndTimeIn(fstatSync(file, { bigint: true }));
    if (!isFile || size === 0) return undefined;
    const head = Buffer.alloc(Math.max(formHeadLength(custom), firstPageBytes));
    const start = head.subarray(0, readSync(file, head, 0, head.length, 0));
    const { compression, encryption } = formOfHead(start, custom);
    const isPlain = compression === undefined && encryption === undefined;
    if (isPlain && walKindOf(name) === 'segment' && isCut(start, size)) return undefined;
    return { name, size, time, compression: compression ?? null, encryption: encryption ?? null };
  } finally {
    closeSync(file);
  }
}

/** The first page of a segment says how long it is; nearly all sizes are one that a segment can have, and need no look. */
function isCut(start: Buffer, size: number): boolean {
  const canBeWhole = size >= 1 << 20 && (size & (size - 1)) === 0;
  const page = canBeWhole ? undefined : parseFirstPage(start);
  return page !== undefined && size < page.segmentSize;
}
