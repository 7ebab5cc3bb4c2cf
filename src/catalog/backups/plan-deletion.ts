import { type SegmentName, segmentOf, timelineOf, walKindOf } from '../../wal/wal-name.ts';
import type { WalEntry } from '../index/wal-entry.ts';
import type { KeepTarget } from './annotations.ts';
import { type Backup, type BackupId, byAge, isCopyDone } from './backup.ts';

/** Which WAL goes with a backup (docs/reference/catalog.md sections 16.3 and 16.4). */
export type WalDeletion =
  | { readonly kind: 'none'; readonly reason: string }
  | {
      readonly kind: 'older-than';
      /** First segment that stays on its timeline: on it no backup that stays begins earlier. Timelines before it go, unless they are protected. */
      readonly limit: SegmentName;
      readonly limitTimeline: number;
      /** The lowest timeline that a backup begins on which stays: recovery from there may go along any later one. */
      readonly lowestTimeline: number;
      /** Timelines that other backups live on. */
      readonly protectedTimelines: ReadonlySet<number>;
      /** Begin and end of backups that are kept standalone. */
      readonly protectedRanges: readonly SegmentRange[];
    };

type WalOlderThan = Extract<WalDeletion, { kind: 'older-than' }>;

interface SegmentRange {
  readonly first: SegmentName;
  readonly last: SegmentName;
}

export interface DeletionFacts {
  /** Every backup of the server, oldest first. */
  readonly backups: readonly Backup[];
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  /** Retention looks past backups that are kept standalone; a deletion by hand stops at them. */
  readonly looksPastStandalone: boolean;
}

/** The backup and all that are built on it, children before their parents. */
export function subtreeOf(backups: readonly Backup[], root: Backup): readonly Backup[] {
  const children = backups.filter(({ parentBackupId }) => parentBackupId === root.id);
  return [...children.flatMap((child) => subtreeOf(backups, child)), root];
}

/** Which WAL goes with backups that go one after the other. */
export class WalDeletionPlanner {
  readonly #facts: DeletionFacts;
  readonly #numbers: ReadonlyMap<BackupId, number>;
  /** Number of the next older and the next newer one that is there, by number: a list in which what goes is passed over. */
  readonly #older: number[];
  readonly #newer: number[];
  /** How many live on each timeline. */
  readonly #living = new Map<number, number>();
  /** Backups that exist and may need WAL, by the timeline that its begin WAL names, in the order of these names. */
  readonly #begins = new Map<number, Backup[]>();
  readonly #gone = new Set<BackupId>();

  constructor(facts: DeletionFacts) {
    this.#facts = facts;
    this.#numbers = new Map(facts.backups.map(({ id }, number) => [id, number]));
    this.#older = facts.backups.map((_backup, number) => number - 1);
    this.#newer = facts.backups.map((_backup, number) => number + 1);
    for (const backup of facts.backups) {
      this.#count(backup, 1);
      if (backup.beginWal === null || !mayNeedWal(backup)) continue;
      const timeline = timelineOf(backup.beginWal);
      const begins = this.#begins.get(timeline);
      if (begins === undefined) this.#begins.set(timeline, [backup]);
      else begins.push(backup);
    }
    for (const begins of this.#begins.values())
      begins.sort(({ beginWal: a }, { beginWal: b }) => ((a ?? '') < (b ?? '') ? 1 : -1));
  }

  /**
   * Which WAL goes when `going`, one of the backups, goes. Where Barman would wipe the archive because the only thing left has no begin
   * WAL, nothing is removed here.
   */
  plan(going: Backup): WalDeletion {
    const { keeps, looksPastStandalone } = this.#facts;
    const protectedRanges: SegmentRange[] = [];
    const passed = new Set([going.id]);
    for (const older of this.#from(going, this.#older)) {
      if (!mayNeedWal(older)) continue;
      if (keeps.get(older.id) !== 'standalone') return { kind: 'none', reason: `backup ${older.id} is older and needs it` };
      if (!looksPastStandalone) return { kind: 'none', reason: `backup ${older.id} is kept standalone` };
      passed.add(older.id);
      if (older.beginWal !== null && older.endWal !== null) protectedRanges.push({ first: older.beginWal, last: older.endWal });
    }
    const next = this.#nextDone(going)?.beginWal ?? going.beginWal;
    if (next === null) return { kind: 'none', reason: 'it is unknown where the remaining WAL begins' };
    const first = this.#firstBegin(timelineOf(next), passed);
    const limit = first !== undefined && first < next ? first : next;
    const staying = [...this.#begins.keys()].filter((timeline) => this.#firstBegin(timeline, passed) !== undefined);
    return olderThan(limit, {
      timelines: this.#timelinesBeside(going),
      protectedRanges,
      lowestTimeline: Math.min(timelineOf(limit), ...staying),
    });
  }

  /** From now on the backup is gone. */
  drop(gone: Backup): void {
    const number = this.#numbers.get(gone.id);
    if (number === undefined) return;
    const [older, newer] = [this.#older[number] ?? -1, this.#newer[number] ?? this.#older.length];
    if (older >= 0) this.#newer[older] = newer;
    if (newer < this.#older.length) this.#older[newer] = older;
    this.#count(gone, -1);
    this.#gone.add(gone.id);
  }

  /** Begin of the first backup that is there on a timeline, but for those that are passed over. */
  #firstBegin(timeline: number, passed: ReadonlySet<BackupId>): SegmentName | undefined {
    const begins = this.#begins.get(timeline) ?? []; // the first one is the last of them, which is quickly dropped
    for (let last = begins.at(-1); last !== undefined && this.#gone.has(last.id); last = begins.at(-1)) begins.pop();
    const first = begins.findLast(({ id }) => !this.#gone.has(id) && !passed.has(id));
    return first?.beginWal ?? undefined;
  }

  #nextDone(going: Backup): Backup | undefined {
    for (const newer of this.#from(going, this.#newer)) if (isCopyDone(newer)) return newer;
    return undefined;
  }

  *#from(backup: Backup, next: readonly number[]): Generator<Backup> {
    let number = next[this.#numbers.get(backup.id) ?? -1];
    for (;;) {
      const found = number === undefined ? undefined : this.#facts.backups[number];
      if (number === undefined || found === undefined) return;
      yield found;
      number = next[number];
    }
  }

  #timelinesBeside(going: Backup): number[] {
    const own = isLiving(going) ? going.timeline : null;
    return [...this.#living].filter(([timeline, count]) => count > (timeline === own ? 1 : 0)).map(([timeline]) => timeline);
  }

  #count(backup: Backup, change: 1 | -1): void {
    const { timeline } = backup;
    if (timeline !== null && isLiving(backup)) this.#living.set(timeline, (this.#living.get(timeline) ?? 0) + change);
  }
}

/** It is usable, or still being made: a passive node may copy an older backup after a newer one. */
function mayNeedWal(backup: Backup): boolean {
  return isCopyDone(backup) || ((backup.status === 'STARTED' || backup.status === 'SYNCING') && backup.beginWal !== null);
}

/** The WAL that the first backup of a server makes useless: all before its begin WAL (docs/reference/catalog.md section 16.5). */
export function planFirstBackupPurge(backups: readonly Backup[], first: Backup): WalDeletion {
  if (first.beginWal === null) return { kind: 'none', reason: 'the backup has no begin WAL' };
  const others = backups.filter((backup) => backup.id !== first.id);
  const ordered = byAge([...others, first]);
  const limit = first.beginWal;
  const older =
    ordered.slice(0, ordered.indexOf(first)).find(mayNeedWal) ??
    others.find((backup) => mayNeedWal(backup) && backup.beginWal !== null && backup.beginWal < limit);
  if (older !== undefined) return { kind: 'none', reason: `backup ${older.id} is older` };
  const timelines = others.filter(isLiving).flatMap(({ timeline }) => timeline ?? []);
  return olderThan(limit, { timelines, protectedRanges: [], lowestTimeline: timelineOf(limit) });
}

/** Whether an entry of the index stays. */
export function isWalKept({ name }: Pick<WalEntry, 'name'>, plan: WalDeletion): boolean {
  if (plan.kind === 'none' || walKindOf(name) === 'history') return true;
  const timeline = timelineOf(name);
  if (plan.protectedTimelines.has(timeline)) return true;
  if (timeline !== plan.limitTimeline && timeline > plan.lowestTimeline) return true;
  const segment = segmentOf(name);
  if (segment === undefined) return true;
  if (plan.protectedRanges.some(({ first, last }) => segment >= first && segment <= last)) return true;
  return name >= plan.limit;
}

function olderThan(
  limit: SegmentName,
  {
    timelines,
    ...others
  }: Pick<WalOlderThan, 'protectedRanges' | 'lowestTimeline'> & { readonly timelines: readonly number[] },
): WalDeletion {
  const limitTimeline = timelineOf(limit);
  const protectedTimelines = new Set(timelines.filter((timeline) => timeline !== limitTimeline));
  return { kind: 'older-than', limit, limitTimeline, protectedTimelines, ...others };
}

function isLiving({ status }: Backup): boolean {
  return ['STARTED', 'WAITING_FOR_WALS', 'DONE', 'SYNCING'].includes(status);
}
