import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import { kindOfArrival } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { parseWalName, segmentName, segmentOf, segmentParts, type WalName } from '../wal/wal-name.ts';

/** Where a WAL file may lie. */
interface WalCandidate {
  readonly path: string;
  readonly place: 'archive' | 'incoming' | 'streaming';
}

/** Places to look, in the order of docs/reference/engine.md section 11.1: a partial segment only when it was asked for. */
export function walCandidates(
  layout: ServerLayout,
  name: WalName,
  { allowsPartial }: { allowsPartial: boolean },
): readonly WalCandidate[] {
  const archived: WalCandidate = { path: walArchiveOf(layout).pathOf(name), place: 'archive' };
  const streaming: WalCandidate = { path: join(layout.streaming, name), place: 'streaming' };
  const incoming: WalCandidate = { path: join(layout.incoming, name), place: 'incoming' };
  const partial = ({ path, place }: WalCandidate): WalCandidate => ({ path: `${path}.partial`, place });
  const partials = [partial(streaming), streaming, partial(archived), partial(incoming)];
  // the archiver may move the file while we look: the archive is asked again at the end
  return [archived, incoming, streaming, ...(allowsPartial && segmentOf(name) === name ? partials : []), archived];
}

/** First of the candidates that exists. */
export async function findWal(
  layout: ServerLayout,
  name: WalName,
  options: { allowsPartial: boolean },
): Promise<string | undefined> {
  for (const { path, place } of walCandidates(layout, name, options)) {
    if (place !== 'archive' && kindOfArrival(path) !== 'file') continue;
    if (await isFile(path)) return path;
  }
  return undefined;
}

/**
 * Names of files that exist one after the other, from `first` on, at most `count`. The segment size is not known here: at a gap the
 * next log file is tried when the number of the missing segment can be the number of segments in one, a power of two.
 */
export async function peekWals(layout: ServerLayout, first: WalName, count: number): Promise<WalName[]> {
  const exists = async (name: WalName): Promise<boolean> =>
    (await findWal(layout, name, { allowsPartial: false })) !== undefined;
  const segment = segmentOf(first);
  if (segment === undefined || String(segment) !== first) return (await exists(first)) ? [first] : [];
  const found: WalName[] = [];
  const { timeline, ...start } = segmentParts(segment);
  let { log, segment: number } = start;
  while (found.length < count) {
    const name = segmentName({ timeline, log, segment: number });
    if (await exists(name)) {
      found.push(name);
      number++;
      continue;
    }
    if (found.length === 0 || !isPowerOfTwo(number)) break;
    if (!(await exists(segmentName({ timeline, log: log + 1, segment: 0 })))) break;
    log++;
    number = 0;
  }
  return found;
}

/**
 * Reads the name of a WAL file from outside.
 * @throws OperatorError `wal-name-invalid`, exit code 3
 */
export function requireWalName(text: string): WalName {
  const name = parseWalName(text);
  if (name !== undefined) return name;
  throw new OperatorError('wal-name-invalid', `'${text}' is not a valid wal file name`);
}

function isPowerOfTwo(number: number): boolean {
  return number > 0 && (number & (number - 1)) === 0;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return false;
    throw new OperatorError('file-unreadable', `cannot look at ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
