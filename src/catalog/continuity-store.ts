import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CodecSurroundings } from '../compression/codec.ts';
import type { Context } from '../shared/context.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { formatLsn, parseLsn } from '../wal/lsn.ts';
import type { TimelineSwitch } from '../wal/timeline-history.ts';
import { parseSegmentName, parseWalName, timelineOf, type WalName, walKindOf } from '../wal/wal-name.ts';
import { readArchivedHistory } from './read-archived-history.ts';
import type { ServerLayout } from './server-layout.ts';
import type { WalEntry } from './wal-entry.ts';
import { WalIndex, type WalIndexMark } from './wal-index.ts';
import type { ArchivedHistories } from './wal-paths.ts';
import { type SegmentRun, WalRuns } from './wal-runs.ts';

/** What the archive holds, as far as its continuity goes. */
export interface ArchivedWal {
  readonly runs: WalRuns;
  readonly histories: ArchivedHistories;
}

export interface ReadingOptions {
  readonly layout: ServerLayout;
  readonly segmentSize: number;
  /** For history files, which may be compressed. */
  readonly surroundings: CodecSurroundings;
}

/** What was read of the index, up to its mark. A history that could not be read is undefined, and tried again. */
interface Known {
  readonly mark: WalIndexMark | undefined;
  readonly runs: WalRuns;
  readonly histories: Map<WalName, readonly TimelineSwitch[] | undefined>;
}

type ReadingContext = Pick<Context, 'log' | 'signal'>;

/**
 * Reads what was added to the WAL index since the last time; all of it when it is another index than then. What is known is kept in
 * `.pgcellar/continuity.json`, which may be removed at any time; where that cannot be written, the next run has more to read.
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readArchivedWal(options: ReadingOptions, context: ReadingContext): Promise<ArchivedWal> {
  const { layout, segmentSize } = options;
  const before = await readStored(layout, segmentSize);
  const known = await readIndex(before, options, context);
  const isNew = (await readHistories(known, options, context)) || !isDeepStrictEqual(known.mark, before?.mark);
  if (isNew) await store(layout, known, context);
  const histories = new Map<number, readonly TimelineSwitch[]>();
  for (const [name, history] of known.histories) if (history !== undefined) histories.set(timelineOf(name), history);
  return { runs: known.runs, histories };
}

async function readIndex(before: Known | undefined, options: ReadingOptions, { signal }: ReadingContext): Promise<Known> {
  await using index = await WalIndex.openToRead(options.layout, signal);
  const isSame = before?.mark !== undefined && isDeepStrictEqual(await index.markAt(before.mark.end), before.mark);
  if (!isSame) return await readOn(index, nothingKnown(options.segmentSize));
  try {
    return await readOn(index, { ...before, runs: before.runs.copy(), histories: new Map(before.histories) });
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'wal-index-invalid') throw error;
    return await readOn(index, nothingKnown(options.segmentSize)); // which tells the line by its number, or does not find it
  }
}

function nothingKnown(segmentSize: number): Known {
  return { mark: undefined, runs: new WalRuns(segmentSize), histories: new Map() };
}

async function readOn(index: WalIndex, { mark, runs, histories }: Known): Promise<Known> {
  const take = ({ name, time }: WalEntry): void => {
    const segment = parseSegmentName(name);
    if (segment !== undefined) runs.add(segment, time);
    else if (walKindOf(name) === 'history' && !histories.has(name)) histories.set(name, undefined);
  };
  const end = await index.visitFrom(mark?.end ?? 0, take);
  return { mark: await index.markAt(end), runs, histories };
}

/** A history that cannot be read stands in nobody's way: its timeline then counts as one without ancestors. */
async function readHistories(
  { histories }: Known,
  { layout, surroundings }: ReadingOptions,
  { log }: ReadingContext,
): Promise<boolean> {
  const missing = [...histories].filter(([, history]) => history === undefined);
  let isNew = false;
  for (const [name] of missing) {
    try {
      histories.set(name, await readArchivedHistory(layout, name, surroundings));
      isNew = true;
    } catch (error) {
      log.debug(`the history file ${name} cannot be used: ${messageOf(error)}`);
    }
  }
  return isNew;
}

/** The file of format 1: numbers and names only, runs as first, last and time of the last. */
interface Stored {
  readonly format: 1;
  readonly segmentSize: number;
  readonly mark: WalIndexMark;
  readonly runs: Readonly<Record<string, readonly (readonly [number, number, number])[]>>;
  readonly histories: Readonly<Record<string, readonly (readonly [number, string])[] | null>>;
}

/** Optional work: the next run reads more when nothing can be stored. */
async function store(layout: ServerLayout, { mark, runs, histories }: Known, { log }: ReadingContext): Promise<void> {
  if (mark === undefined) return;
  const runsOf = (timeline: number) => runs.of(timeline).map(({ first, last, lastTime }) => [first, last, lastTime] as const);
  const switchesOf = (history: readonly TimelineSwitch[]) =>
    history.map(({ timeline, switchLsn }) => [timeline, formatLsn(switchLsn)] as const);
  const content: Stored = {
    format: 1,
    segmentSize: runs.segmentSize,
    mark,
    runs: Object.fromEntries(runs.timelines.map((timeline) => [String(timeline), runsOf(timeline)])),
    histories: Object.fromEntries(
      [...histories].map(([name, known]) => [name, known === undefined ? null : switchesOf(known)]),
    ),
  };
  try {
    await writeFileDurably(storePath(layout), `${JSON.stringify(content)}\n`);
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    log.debug(`the continuity of the WAL archive is not stored: ${messageOf(error)}`);
  }
}

/** Undefined when there is nothing that can be used, for whatever reason: it is all in the index. */
async function readStored(layout: ServerLayout, segmentSize: number): Promise<Known | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(storePath(layout), 'utf8'));
    if (!isStored(content) || content.segmentSize !== segmentSize) return undefined;
    return fromStored(content);
  } catch {
    return undefined;
  }
}

function fromStored({ segmentSize, mark, runs, histories }: Stored): Known {
  const toRun = ([first, last, lastTime]: readonly [number, number, number]): SegmentRun => ({ first, last, lastTime });
  const runsOf = Object.entries(runs).map(([timeline, list]) => [Number(timeline), list.map(toRun)] as const);
  const known = new Map<WalName, readonly TimelineSwitch[] | undefined>();
  for (const [fileName, list] of Object.entries(histories)) {
    const name = parseWalName(fileName);
    if (name !== undefined) known.set(name, list === null ? undefined : switchesFrom(list));
  }
  return { mark, runs: new WalRuns(segmentSize, new Map(runsOf)), histories: known };
}

function switchesFrom(list: readonly (readonly [number, string])[]): readonly TimelineSwitch[] | undefined {
  const switches: TimelineSwitch[] = [];
  for (const [timeline, position] of list) {
    const switchLsn = parseLsn(position);
    if (switchLsn === undefined) return undefined;
    switches.push({ timeline, switchLsn, reason: '' });
  }
  return switches;
}

function isStored(value: unknown): value is Stored {
  if (!isRecord(value) || value['format'] !== 1 || typeof value['segmentSize'] !== 'number') return false;
  const { mark, runs, histories } = value;
  if (!isRecord(mark) || !isRecord(runs) || !isRecord(histories)) return false;
  return (
    ['dev', 'ino', 'end'].every((key) => Number.isSafeInteger(mark[key])) &&
    ['head', 'tail'].every((key) => typeof mark[key] === 'string') &&
    Object.entries(runs).every(([timeline, list]) => /^\d+$/.test(timeline) && isListOfRuns(list)) &&
    Object.values(histories).every((list) => list === null || isListOfSwitches(list))
  );
}

function isListOfRuns(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  let next = 0;
  return value.every((run: unknown) => {
    if (!Array.isArray(run) || run.length !== 3 || !run.every((part: unknown) => typeof part === 'number')) return false;
    const [first = -1, last = -1] = run as readonly number[]; // was just tested
    const isInOrder = Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= next && last >= first;
    next = last + 2; // runs that touch would be one
    return isInOrder;
  });
}

function isListOfSwitches(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return value.every(
    (one: unknown) => Array.isArray(one) && one.length === 2 && Number.isSafeInteger(one[0]) && typeof one[1] === 'string',
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function storePath(layout: ServerLayout): string {
  return join(layout.root, '.pgcellar', 'continuity.json');
}
