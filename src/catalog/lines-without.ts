import type { FileHandle } from 'node:fs/promises';
import { parseWalName, type WalName } from '../wal/wal-name.ts';

const chunkBytes = 1 << 20;
const newline = 0x0a;

/** The whole lines of a WAL index as they stand, but those of some names; what a crash tore at the end is left out. */
export async function* linesWithout(file: FileHandle, names: ReadonlySet<WalName>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null);
    if (bytesRead === 0) return;
    const piece = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    const kept: Buffer[] = [];
    let [keptFrom, start] = [0, 0];
    for (let end = piece.indexOf(newline); end !== -1; end = piece.indexOf(newline, start)) {
      const isGone = isNamed(piece.toString('latin1', start, end), names);
      if (isGone) kept.push(piece.subarray(keptFrom, start));
      start = end + 1;
      if (isGone) keptFrom = start;
    }
    kept.push(piece.subarray(keptFrom, start));
    rest = piece.subarray(start);
    yield Buffer.concat(kept);
  }
}

function isNamed(line: string, names: ReadonlySet<string>): boolean {
  const tab = line.indexOf('\t');
  const word = tab > 0 ? line.slice(0, tab) : '';
  if (names.has(word)) return true;
  if (/^[0-9A-F.]+$/.test(word)) return false; // as both programs write the name of a segment
  const name = parseWalName(/^\s*(\S+)/.exec(line)?.[1] ?? '');
  return name !== undefined && names.has(name);
}
