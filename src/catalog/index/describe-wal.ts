import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { CustomCompression } from '../../compression/codec.ts';
import { formHeadLength, formOfHead } from '../../encryption/stored-wal.ts';
import { sizeAndTimeIn } from '../../shared/look.ts';
import type { WalName } from '../../wal/wal-name.ts';
import type { WalEntry } from './wal-entry.ts';

/** A pipe of that name must not hold us up. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * What the index has to say of an archived file; undefined when no file is at `path`. Synchronous: a rebuild does it a million times, and four
 * turns through the thread pool cost more than what they wait for.
 */
export function describeWal(path: string, name: WalName, custom: CustomCompression | undefined): WalEntry | undefined {
  const file = openSync(path, flags);
  try {
    const { size, time, isFile } = sizeAndTimeIn(fstatSync(file, { bigint: true }));
    if (!isFile) return undefined;
    const head = Buffer.alloc(formHeadLength(custom));
    const length = readSync(file, head, 0, head.length, 0);
    const { compression, encryption } = formOfHead(head.subarray(0, length), custom);
    return { name, size, time, compression: compression ?? null, encryption: encryption ?? null };
  } finally {
    closeSync(file);
  }
}
