import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { CustomCompression } from '../../compression/codec.ts';
import { formHeadLength, formOfHead } from '../../encryption/stored-wal.ts';
import { namesIn, sizeAndTimeIn } from '../../shared/look.ts';
import { firstPageBytes, parseFirstPage, parseWalName, type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { ServerLayout } from '../server-layout.ts';
import { readPlainSegment } from '../wal/segment-content.ts';
import { formatWalEntry, type WalEntry } from './wal-entry.ts';
import type { WalLedger } from './wal-ledger.ts';

/** A pipe of that name must not hold us up. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * The index line of an archived file; undefined when no file is at `path`, or one that cannot be a whole one (a crash or a full
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
  /** The entry that the index had until now. */
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

/** The index may know a form that the bytes do not show: a magic of the server's own can have been changed since. */
function asKnown(entry: WalEntry, known: WalLedger | undefined, path: string): WalEntry {
  if (entry.compression !== null || entry.encryption !== null || walKindOf(entry.name) !== 'segment') return entry;
  const before = known?.entryOf(entry.name);
  if (before === undefined || before.compression === null || before.encryption !== null) return entry;
  const isWal = readPlainSegment(path, { custom: undefined })?.kind !== 'foreign-matter';
  return isWal ? entry : { ...entry, compression: before.compression };
}
