import type { SourceFile } from './source-file.ts';

interface FoundEntry extends SourceFile {
  /** As find(1) prints `%y`: `f`, `d` and others. */
  readonly kind: string;
}

/** Reads what `find -printf FORMAT` prints, as it comes. */
export class FindEntries {
  /** Kind, permissions, bytes, blocks of 512 bytes on the disk, time, path below the root. */
  static readonly format = String.raw`%y %m %s %b %T@ %P\0`;

  readonly #onEntry: (entry: FoundEntry) => void;
  #rest = Buffer.alloc(0);

  constructor(onEntry: (entry: FoundEntry) => void) {
    this.#onEntry = onEntry;
  }

  write(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(0);
    this.#rest = Buffer.from(bytes.subarray(end + 1));
    if (end < 0) return;
    for (const entry of bytes.toString('utf8', 0, end).split('\0')) this.#onEntry(parseEntry(entry));
  }
}

function parseEntry(entry: string): FoundEntry {
  const [kind = '', mode = '', size = '', blocks = '', time = ''] = entry.split(' ', 5);
  return {
    kind,
    path: entry.slice(kind.length + mode.length + size.length + blocks.length + time.length + 5),
    mode: Number.parseInt(mode, 8),
    size: Number(size),
    modifiedNs: nanoseconds(time),
    isSparse: Number(blocks) * 512 < Number(size) / 2,
  };
}

/** `1795000000.1234567890`, as find(1) prints `%T@`. */
function nanoseconds(text: string): bigint {
  const [seconds = '0', fraction = ''] = text.split('.');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}
