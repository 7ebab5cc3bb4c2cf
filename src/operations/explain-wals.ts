import type { Backup, BackupId } from '../catalog/backup.ts';
import { isCopyDone } from '../catalog/backup.ts';
import { isWalKept } from '../catalog/plan-deletion.ts';
import type { WalEntry } from '../catalog/wal-entry.ts';
import { segmentOf, timelineOf, walKindOf } from '../wal/wal-name.ts';
import type { PlannedDeletion } from './plan-enforcement.ts';
import type { WalRange, WalStanding } from './reports/retention-report.ts';

interface OpenRange {
  readonly standing: WalStanding;
  readonly timeline: number;
  first: string;
  last: string;
  files: number;
  bytes: number;
}

interface UpTo {
  /** The one that ends last. */
  readonly lastEnd: { readonly id: BackupId; readonly endWal: string };
  /** The last one that is not kept with its own WAL only. */
  readonly recoverable: BackupId | undefined;
}

/**
 * Groups the archive by why WAL stays or goes: feed it every entry of the index, in any order, then ask. What comes out is as long as
 * there are backups, however much WAL there is.
 */
export class WalExplainer {
  readonly #deletions: readonly PlannedDeletion[];
  /** Begin WAL of those that stay, ascending. */
  readonly #begins: readonly string[];
  /** For each of these: what is known of it and of all before it. */
  readonly #upTo: readonly UpTo[];
  readonly #ranges = new Map<string, OpenRange>();

  /**
   * @param backups every backup of the server; @param deletions what goes of them, in that order
   * @param standalone backups that are kept with their own WAL only
   */
  constructor(
    backups: readonly Backup[],
    { deletions, standalone }: { deletions: readonly PlannedDeletion[]; standalone: ReadonlySet<BackupId> },
  ) {
    const going = new Set(deletions.map(({ backup }) => backup.id));
    this.#deletions = deletions.filter(({ wal }) => wal.kind !== 'none');
    const staying = backups
      .filter((backup) => isCopyDone(backup) && !going.has(backup.id))
      .flatMap(({ id, beginWal, endWal }) => (beginWal === null ? [] : [{ id, beginWal, endWal: endWal ?? beginWal }]))
      .toSorted((a, b) => (a.beginWal < b.beginWal ? -1 : a.beginWal > b.beginWal ? 1 : 0));
    this.#begins = staying.map(({ beginWal }) => beginWal);
    const upTo: UpTo[] = [];
    for (const { id, endWal } of staying) {
      const before = upTo.at(-1);
      upTo.push({
        lastEnd: before === undefined || endWal >= before.lastEnd.endWal ? { id, endWal } : before.lastEnd,
        recoverable: standalone.has(id) ? before?.recoverable : id,
      });
    }
    this.#upTo = upTo;
  }

  add(entry: WalEntry): void {
    const position = this.#countUpTo(segmentOf(entry.name) ?? entry.name);
    const standing = this.#standingOf(entry, this.#upTo[position - 1]);
    const timeline = timelineOf(entry.name);
    const key = `${standing.kind} ${'id' in standing ? standing.id : ''} ${String(timeline)} ${String(position)}`;
    const { name, size } = entry;
    const range = this.#ranges.get(key);
    if (range === undefined) {
      this.#ranges.set(key, { standing, timeline, first: name, last: name, files: 1, bytes: size });
      return;
    }
    range.files++;
    range.bytes += size;
    if (name < range.first) range.first = name;
    if (name > range.last) range.last = name;
  }

  /** By name. */
  ranges(): WalRange[] {
    return [...this.#ranges.values()].toSorted((a, b) => (a.first < b.first ? -1 : 1));
  }

  #standingOf(entry: WalEntry, before: UpTo | undefined): WalStanding {
    if (walKindOf(entry.name) === 'history') return { kind: 'history' };
    const taking = this.#deletions.find(({ wal }) => !isWalKept(entry, wal));
    if (taking !== undefined) return { kind: 'goes-with', id: taking.backup.id };
    const segment = segmentOf(entry.name) ?? entry.name;
    if (before !== undefined && segment <= before.lastEnd.endWal) return { kind: 'needed-by', id: before.lastEnd.id };
    return before?.recoverable === undefined
      ? { kind: 'needed-by-nothing' }
      : { kind: 'recovery-from', id: before.recoverable };
  }

  /** How many of those that stay begin at or before a segment. */
  #countUpTo(segment: string): number {
    let [low, high] = [0, this.#begins.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#begins[middle] ?? '') <= segment) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
