import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { isCopyDone } from '../../catalog/backups/backup.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { WalLedger } from '../../catalog/index/wal-ledger.ts';
import { countUpTo, WalRemovals } from '../../catalog/index/wal-removals.ts';
import type { TimelineWal } from '../../catalog/wal/timeline-wal.ts';
import { type SegmentName, segmentOf, segmentParts, timelineOf, type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { PlannedDeletion } from '../deletion/plan-enforcement.ts';
import type { WalRange, WalStanding } from '../reports/retention-report.ts';

/** Files that follow each other. */
interface Stretch {
  readonly first: WalName;
  readonly last: WalName;
  readonly files: number;
  readonly bytes: number;
}

interface OpenRange {
  readonly standing: WalStanding;
  readonly timeline: number;
  first: WalName;
  last: WalName;
  files: number;
  bytes: number;
}

interface UpTo {
  /** The one that ends last. */
  readonly lastEnd: { readonly id: BackupId; readonly endWal: SegmentName };
  /** The last one that is not kept with its own WAL only. */
  readonly recoverable: BackupId | undefined;
}

/**
 * Groups the archive by why WAL stays or goes: feed it the ledger, or single entries in any order, then ask. What comes out is as long as
 * there are backups, however much WAL there is.
 */
export class WalExplainer {
  readonly #deletions: readonly PlannedDeletion[];
  readonly #removals: WalRemovals;
  /** Begin WAL of those that stay, ascending. */
  readonly #begins: readonly SegmentName[];
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
    this.#deletions = deletions;
    this.#removals = new WalRemovals(deletions.map(({ wal }) => wal));
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

  /** Everything in the archive: segments in stretches of which the same holds, all other files one by one. */
  addAll(ledger: WalLedger): void {
    for (const timeline of ledger.timelines) this.#addSegments(timeline);
    for (const entry of ledger.others) this.add(entry);
  }

  add({ name, size }: Pick<WalEntry, 'name' | 'size'>): void {
    this.#put({ first: name, last: name, files: 1, bytes: size });
  }

  #addSegments(wal: TimelineWal): void {
    const starts = new Set(this.#turnsIn(wal.timeline).map(({ log, segment }) => wal.numberFrom(log, segment)));
    const numbers = [...starts.add(0).add(wal.count)].toSorted((a, b) => a - b);
    for (const [index, start] of numbers.entries()) {
      const end = numbers[index + 1];
      if (end === undefined) return;
      const [first, last] = [wal.nameAt(start), wal.nameAt(end - 1)];
      this.#put({ first, last, files: end - start, bytes: wal.bytesBetween(start, end) });
    }
  }

  /** Segments of a timeline that a new stretch may begin with, whether they are there or not. */
  #turnsIn(timeline: number): { readonly log: number; readonly segment: number }[] {
    const { limits, ranges } = this.#removals.turns;
    const at = [...this.#begins, ...limits, ...ranges.map(({ first }) => first)].map((name) => segmentParts(name));
    const after = [...this.#upTo.map(({ lastEnd }) => lastEnd.endWal), ...ranges.map(({ last }) => last)].map((name) => {
      const { segment, ...rest } = segmentParts(name);
      return { ...rest, segment: segment + 1 };
    });
    return [...at, ...after].filter((turn) => turn.timeline === timeline);
  }

  /** @param stretch files of which the same holds as of the first */
  #put(stretch: Stretch): void {
    const { first, last, files, bytes } = stretch;
    const position = countUpTo(this.#begins, segmentOf(first) ?? first);
    const standing = this.#standingOf(first, this.#upTo[position - 1]);
    const timeline = timelineOf(first);
    const key = `${standing.kind} ${'id' in standing ? standing.id : ''} ${String(timeline)} ${String(position)}`;
    const range = this.#ranges.get(key);
    if (range === undefined) {
      this.#ranges.set(key, { standing, timeline, ...stretch });
      return;
    }
    range.files += files;
    range.bytes += bytes;
    if (first < range.first) range.first = first;
    if (last > range.last) range.last = last;
  }

  /** By name. */
  ranges(): WalRange[] {
    return [...this.#ranges.values()].toSorted((a, b) => (a.first < b.first ? -1 : 1));
  }

  #standingOf(name: WalName, before: UpTo | undefined): WalStanding {
    if (walKindOf(name) === 'history') return { kind: 'history' };
    const taking = this.#deletions[this.#removals.firstTaking(name) ?? -1];
    if (taking !== undefined) return { kind: 'goes-with', id: taking.backup.id };
    const segment = segmentOf(name) ?? name;
    if (before !== undefined && segment <= before.lastEnd.endWal) return { kind: 'needed-by', id: before.lastEnd.id };
    return before?.recoverable === undefined
      ? { kind: 'needed-by-nothing' }
      : { kind: 'recovery-from', id: before.recoverable };
  }
}
