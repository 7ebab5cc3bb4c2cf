import { closeSync, openSync, writeSync } from 'node:fs';

interface StoreOptions {
  /** Permission bits before umask. */
  readonly mode?: number;
  /** Sees each piece before it is written. */
  readonly onPiece?: (piece: Buffer) => void;
}

/**
 * Writes what comes into a file, replacing what was there, with calls that block: each piece of 64 KiB takes longer on its way through Node's
 * threads than to be written. For programs that have nothing else to do meanwhile. Does not sync it.
 * @throws Error of the source, or of the system call that failed
 */
export async function storeSync(
  from: AsyncIterable<Buffer>,
  path: string,
  { mode = 0o666, onPiece }: StoreOptions = {},
): Promise<void> {
  const file = openSync(path, 'w', mode);
  try {
    for await (const piece of from) {
      onPiece?.(piece);
      for (let written = 0; written < piece.length; ) written += writeSync(file, piece, written);
    }
  } finally {
    closeSync(file);
  }
}
