import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { systemCodeOf } from './operator-error.ts';

const pieceBytes = 128 * 1024;

/**
 * Writes a file to an open file or pipe, without the streams of Node: loading them, and handing each piece through other threads, takes
 * longer than the copy of a WAL segment.
 * @returns how many bytes were written: less than all when the descriptor does not wait for its reader, who is behind
 * @throws Error of the system call that failed
 */
export function copyToDescriptor(path: string, descriptor: number): number {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(pieceBytes);
    let copied = 0;
    for (;;) {
      const read = readSync(file, buffer, 0, pieceBytes, copied);
      if (read === 0) return copied;
      const written = writeAsMuch(descriptor, buffer.subarray(0, read));
      copied += written;
      if (written < read) return copied;
    }
  } finally {
    closeSync(file);
  }
}

function writeAsMuch(descriptor: number, bytes: Buffer): number {
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written);
  } catch (error) {
    if (systemCodeOf(error) !== 'EAGAIN') throw error;
  }
  return written;
}
