import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CodecSurroundings } from '../compression/codec.ts';
import { formatCheckedJson, parseCheckedJson } from '../shared/checked-json.ts';
import type { Context } from '../shared/context.ts';
import { writeDerivedFile } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { messageOf, systemCodeOf } from '../shared/operator-error.ts';
import { formatLsn, parseLsn } from '../wal/lsn.ts';
import type { TimelineSwitch } from '../wal/timeline-history.ts';
import { timelineOf, type WalName } from '../wal/wal-name.ts';
import { archivedWalPath } from './archive-layout.ts';
import { type FileState, isSameState, stateOf } from './index-state.ts';
import { readArchivedHistory } from './read-archived-history.ts';
import { readLedger } from './read-ledger.ts';
import type { ServerLayout } from './server-layout.ts';
import type { ArchivedHistories } from './wal-paths.ts';
import type { WalRuns } from './wal-runs.ts';

/** What the archive holds, as far as its continuity goes. */
export interface ArchivedWal {
  readonly runs: WalRuns;
  readonly histories: ArchivedHistories;
}

interface ReadingOptions {
  readonly layout: ServerLayout;
  readonly segmentSize: number;
  /** For history files, which may be compressed. */
  readonly surroundings: CodecSurroundings;
}

/** What a history file in this state says, as timelines with positions. */
interface KnownHistory {
  readonly state: FileState;
  readonly switches: readonly (readonly [number, string])[];
}

type KnownHistories = Readonly<Record<string, KnownHistory>>;
type ReadingContext = Pick<Context, 'log' | 'signal'>;

/**
 * Reads which segments and histories the archive holds. What history files say is kept in `.pgcellar/histories.json`, for as long as
 * the files are the same; it may be removed at any time.
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readArchivedWal(
  { layout, segmentSize, surroundings }: ReadingOptions,
  context: ReadingContext,
): Promise<ArchivedWal> {
  const ledger = await readLedger(layout, context);
  const names = ledger.histories.map(({ name }) => name);
  const before = names.length === 0 ? {} : await readKnown(layout);
  const known: Record<string, KnownHistory> = {};
  const histories = new Map<number, readonly TimelineSwitch[]>();
  for (const name of names) {
    const history = await readOne({ layout, name, surroundings, known: before[name] }, context);
    if (history === undefined) continue;
    known[name] = history;
    histories.set(timelineOf(name), switchesOf(history));
  }
  if (!isDeepStrictEqual(known, before)) await store(layout, known, context);
  return { runs: ledger.runs(segmentSize), histories };
}

interface Wanted extends Omit<ReadingOptions, 'segmentSize'> {
  readonly name: WalName;
  readonly known: KnownHistory | undefined;
}

/** A history that cannot be read stands in nobody's way: its timeline then counts as one without ancestors. */
async function readOne(
  { layout, name, surroundings, known }: Wanted,
  { log }: ReadingContext,
): Promise<KnownHistory | undefined> {
  try {
    const state = stateOf(archivedWalPath(layout, name));
    if (known !== undefined && isSameState(known.state, state)) return known;
    const history = await readArchivedHistory(layout, name, surroundings);
    return { state, switches: history.map(({ timeline, switchLsn }) => [timeline, formatLsn(switchLsn)]) };
  } catch (error) {
    log.debug(`the history file ${name} cannot be used: ${messageOf(error)}`);
    return undefined;
  }
}

function switchesOf({ switches }: KnownHistory): readonly TimelineSwitch[] {
  return switches.map(([timeline, position]) => ({ timeline, switchLsn: parseLsn(position) ?? fail(position), reason: '' }));
}

function fail(position: string): never {
  throw new Error(`not a position in a history that was stored: ${position}`);
}

/** Nothing when there is nothing that can be used, for whatever reason. */
async function readKnown(layout: ServerLayout): Promise<KnownHistories> {
  try {
    const known = parseCheckedJson(await readFile(knownPath(layout), 'utf8'));
    return isRecord(known) && known['format'] === 1 ? (known['histories'] as KnownHistories) : {}; // its checksum says that we wrote it
  } catch {
    return {};
  }
}

/** Optional work: the next run reads more when nothing can be stored. */
async function store(layout: ServerLayout, histories: KnownHistories, { log }: ReadingContext): Promise<void> {
  try {
    await writeDerivedFile(knownPath(layout), formatCheckedJson({ format: 1, histories }));
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    log.debug(`the histories of the WAL archive are not stored: ${messageOf(error)}`);
  }
}

function knownPath(layout: ServerLayout): string {
  return join(layout.root, '.pgcellar', 'histories.json');
}
