import { join } from 'node:path';
import type { CustomCompression } from '../compression/codec.ts';
import { namesIn } from '../shared/look.ts';
import { parseWalName, walKindOf } from '../wal/wal-name.ts';
import { describeWal } from './describe-wal.ts';
import type { ServerLayout } from './server-layout.ts';
import { formatWalEntry } from './wal-entry.ts';

/** How many files of each kind were found. */
interface KindCounts {
  history: number;
  backupLabels: number;
  walFiles: number;
}

/** Lines of an index of what lies in the archive, sorted by folder and name, a folder at a time; `counts` is counted up. */
export async function* linesOfArchive(
  layout: ServerLayout,
  custom: CustomCompression | undefined,
  counts: KindCounts,
): AsyncGenerator<Buffer> {
  for (const name of (await namesIn(layout.wals)).toSorted()) {
    const isFolder = /^[0-9A-F]{16}$/.test(name);
    if (!isFolder && walKindOf(name) !== 'history') continue;
    const folder = isFolder ? join(layout.wals, name) : layout.wals;
    const files = isFolder ? (await namesIn(folder)).toSorted() : [name];
    const lines = files.map((file) => lineOf(folder, file, custom));
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
  custom: CustomCompression | undefined,
): { readonly text: string; readonly kind: ReturnType<typeof walKindOf> } {
  const nothing = { text: '', kind: undefined };
  const name = parseWalName(fileName);
  if (name === undefined) return nothing;
  const entry = describeWal(join(folder, fileName), name, custom);
  if (entry === undefined) return nothing;
  return { text: formatWalEntry(entry), kind: walKindOf(name) };
}
