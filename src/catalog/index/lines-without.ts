import type { FileHandle } from 'node:fs/promises';
import { parseWalName, type WalName } from '../../wal/wal-name.ts';

const chunkBytes = 1 << 20;
const newline = 0x0a;
const tab = 0x09;
const zero = 0x30;
const segmentBytes = 24;

/**
 * The whole lines of a WAL index as they stand, but those of some names; what a crash tore at the end is left out. A piece is good until
 * the next is asked for: all are in the same memory.
 */
export async function* linesWithout(file: FileHandle, names: ReadonlySet<WalName>): AsyncGenerator<Buffer> {
  const gone = new NamesInLines(names);
  let buffer = Buffer.allocUnsafe(chunkBytes);
  let held = 0; // bytes of a line whose end was not read yet
  for (;;) {
    const { bytesRead } = await file.read(buffer, held, buffer.length - held, null);
    if (bytesRead === 0) return;
    const { kept, rest } = dropLines(buffer.subarray(0, held + bytesRead), gone);
    const torn = buffer.subarray(rest, held + bytesRead);
    held = torn.length;
    if (kept > 0) {
      const carried = Buffer.from(torn); // the piece is the caller's until we go on
      yield buffer.subarray(0, kept);
      carried.copy(buffer);
    } else {
      torn.copy(buffer);
    }
    if (held === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
  }
}

/**
 * Moves the lines that stay to the front.
 * @returns how many bytes these are, and where the line begins that has no end yet
 */
function dropLines(piece: Buffer, gone: NamesInLines): { readonly kept: number; readonly rest: number } {
  let [kept, keptFrom, start] = [0, 0, 0];
  const keepUpTo = (end: number): void => {
    if (kept !== keptFrom) piece.copyWithin(kept, keptFrom, end);
    kept += end - keptFrom;
  };
  for (let end = piece.indexOf(newline); end !== -1; end = piece.indexOf(newline, start)) {
    const isGone = gone.hasNameOf(piece, start, end);
    if (isGone) keepUpTo(start);
    start = end + 1;
    if (isGone) keptFrom = start;
  }
  keepUpTo(start);
  return { kept, rest: start };
}

/** Names that are looked for in lines: mostly in those of segments, and mostly in vain. */
class NamesInLines {
  readonly #names: ReadonlySet<string>;
  readonly #last: Buffer;

  constructor(names: ReadonlySet<WalName>) {
    this.#names = names;
    let last = '';
    for (const name of names) if (name > last) last = name;
    this.#last = Buffer.from(last, 'latin1');
  }

  hasNameOf(piece: Buffer, start: number, end: number): boolean {
    const isSegment = end - start > segmentBytes && piece[start + segmentBytes] === tab && (piece[start] ?? 0) >= zero;
    if (isSegment && this.#isBehindAll(piece, start)) return false;
    const word = wordOf(piece, start, end);
    if (this.#names.has(word)) return true;
    if (/^[0-9A-F.]+$/.test(word)) return false; // as both programs write the name of a segment
    const name = parseWalName(/^\s*(\S+)/.exec(piece.toString('latin1', start, end))?.[1] ?? '');
    return name !== undefined && this.#names.has(name);
  }

  /** By the bytes: that takes a tenth of making text of them. */
  #isBehindAll(piece: Buffer, start: number): boolean {
    for (let at = 0; at < segmentBytes; at++) {
      const difference = (piece[start + at] ?? 0) - (this.#last[at] ?? 0);
      if (difference !== 0) return difference > 0;
    }
    return false;
  }
}

/** The text before the first tab. */
function wordOf(piece: Buffer, start: number, end: number): string {
  const at = piece.indexOf(tab, start);
  return at === -1 || at >= end ? '' : piece.toString('latin1', start, at);
}
