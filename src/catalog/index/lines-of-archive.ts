import { join } from 'node:path';
import type { CustomCompression } from '../../compression/codec.ts';
import { namesIn } from '../../shared/look.ts';
import { parseWalName, type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { ServerLayout } from '../server-layout.ts';
import { readPlainSegment } from '../wal/segment-content.ts';
import { describeWal } from './describe-wal.ts';
import { formatWalEntry, type WalEntry } from './wal-entry.ts';
import type { WalLedger } from './wal-ledger.ts';

/** How many files of each kind were found. */
interface KindCounts {
  history: number;
  backupLabels: number;
  walFiles: number;
  /** Names of WAL under which no whole file lies. */
  readonly leftOut: WalName[];
}

interface Reading {
  readonly custom: CustomCompression | undefined;
  /** What the index said until now. */
  readonly known: WalLedger | undefined;
}

/** Lines of an index of what lies in the archive, sorted by folder and name, a folder at a time; `counts` is counted up. */
export async function* linesOfArchive(layout: ServerLayout, reading: Reading, counts: KindCounts): AsyncGenerator<Buffer> {
  for (const name of (await namesIn(layout.wals)).toSorted()) {
    const isFolder = /^[0-9A-F]{16}$/.test(name);
    if (!isFolder && walKindOf(name) !== 'history') continue;
    const folder = isFolder ? join(layout.wals, name) : layout.wals;
    const files = isFolder ? (await namesIn(folder)).toSorted() : [name];
    const lines = files.map((file) => lineOf(folder, file, reading, counts.leftOut));
    for (const { kind } of lines) {
      if (kind === 'history') counts.history++;
      else if (kind === 'backup-label') counts.backupLabels++;
      else if (kind === 'segment') counts.walFiles++;
    }
    yield Buffer.from(lines.map(({ text }) => text).join(''));
  }
}

function lineOf(
  folder: string,
  fileName: string,
  { custom, known }: Reading,
  leftOut: WalName[],
): { readonly text: string; readonly kind: ReturnType<typeof walKindOf> } {
  const nothing = { text: '', kind: undefined };
  const name = parseWalName(fileName);
  if (name === undefined) return nothing;
  const entry = describeWal(join(folder, fileName), name, custom);
  if (entry === undefined) {
    leftOut.push(name);
    return nothing;
  }
  return { text: formatWalEntry(asKnown(entry, known, join(folder, fileName))), kind: walKindOf(name) };
}

/** What the bytes do not show, the index may know: a magic of the server's own can have been changed since. */
function asKnown(entry: WalEntry, known: WalLedger | undefined, path: string): WalEntry {
  if (entry.compression !== null || entry.encryption !== null || walKindOf(entry.name) !== 'segment') return entry;
  const before = known?.entryOf(entry.name);
  if (before === undefined || before.compression === null || before.encryption !== null) return entry;
  const isWal = readPlainSegment(path, { custom: undefined })?.kind !== 'foreign-matter';
  return isWal ? entry : { ...entry, compression: before.compression };
}
