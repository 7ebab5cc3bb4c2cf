import { isDeepStrictEqual } from 'node:util';
import type { StoringServer, WalStorage } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { type FileState, isSameState, stateOf } from '../../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { formatLsn, parseLsn } from '../../wal/lsn.ts';
import { longestHistoryBytes, parseTimelineHistory, type TimelineSwitch } from '../../wal/timeline-history.ts';
import { timelineOf, type WalName } from '../../wal/wal-name.ts';
import { readDerivedEntries, storeDerivedEntries } from '../derived-json.ts';
import type { ServerLayout } from '../server-layout.ts';
import { walArchiveOf } from './wal-archive.ts';
import type { ArchivedHistories } from './wal-paths.ts';

/** A server whose history files are read: where they lie, and how they are compressed and encrypted. */
export interface HistoryServer extends StoringServer {
  readonly layout: ServerLayout;
}

/** The timeline histories of an archive, and those files that could not be read. */
export interface Histories {
  readonly histories: ArchivedHistories;
  readonly unreadable: readonly { readonly name: WalName; readonly reason: string }[];
}

/** The content of a history file in this state, as timelines with positions. */
interface KnownHistory {
  readonly state: FileState;
  readonly switches: readonly (readonly [number, string])[];
}

const store = 'histories.json';

/**
 * Reads history files of the archive, compressed with any codec or encrypted. What they say is kept in `.pgcellar/histories.json`, for as long as
 * the files are the same; it may be removed at any time. A history that cannot be read stands in nobody's way: its timeline then counts as one
 * without ancestors, and the file is named.
 */
export async function readHistories(
  server: HistoryServer,
  names: readonly WalName[],
  { log }: Pick<Context, 'log'>,
): Promise<Histories> {
  if (names.length === 0) return { histories: new Map(), unreadable: [] };
  const before = await readDerivedEntries<KnownHistory>(server.layout, store);
  const known: Record<string, KnownHistory> = {};
  const histories = new Map<number, readonly TimelineSwitch[]>();
  const unreadable: { name: WalName; reason: string }[] = [];
  for (const name of names) {
    try {
      const history = await readOne(server, name, before[name]);
      known[name] = history;
      histories.set(timelineOf(name), switchesOf(history));
    } catch (error) {
      if (!(error instanceof OperatorError) && systemCodeOf(error) === undefined) throw error;
      if (error instanceof OperatorError && error.code === 'interrupted') throw error;
      unreadable.push({ name, reason: messageOf(error) });
    }
  }
  if (!isDeepStrictEqual(known, before)) await storeDerivedEntries(server.layout, store, { entries: known, log });
  return { histories, unreadable };
}

/**
 * The content of a history file at `path`, in any folder.
 * @throws OperatorError `wal-index-invalid` when it is none, or longer than any; what the file system says
 */
export async function readHistoryFile(path: string, name: WalName, storage: WalStorage): Promise<TimelineSwitch[]> {
  const { writePlainWal } = await import('../../encryption/stored-wal.ts');
  const { BoundedSink } = await import('../../shared/bounded-sink.ts'); // it is a stream, which most commands never need
  const limit = `${String(longestHistoryBytes)} bytes`;
  const tooMuch = new OperatorError('wal-index-invalid', `${name} is not a timeline history: it has more than ${limit}`);
  const content = await new BoundedSink(longestHistoryBytes, tooMuch).filledBy((sink) => writePlainWal(path, sink, storage));
  return parseTimelineHistory(content.toString('utf8'), name);
}

/**
 * Keeps what a history says that was just archived, so that a host without the passphrase knows it, too; optional work.
 * @param plainPath the file as it arrived
 */
export async function noteHistory(
  server: HistoryServer,
  { name, plainPath }: { readonly name: WalName; readonly plainPath: string },
  { log }: Pick<Context, 'log'>,
): Promise<void> {
  try {
    const { arrivalsOf, storageOf } = await import('../../encryption/stored-wal.ts');
    const history = await readHistoryFile(plainPath, name, arrivalsOf(storageOf(server)));
    const state = stateOf(walArchiveOf(server.layout).pathOf(name));
    const entries = { ...(await readDerivedEntries<KnownHistory>(server.layout, store)), [name]: knownFrom(state, history) };
    await storeDerivedEntries(server.layout, store, { entries, log });
  } catch (error) {
    if (!(error instanceof OperatorError) && systemCodeOf(error) === undefined) throw error;
    log.debug(`the history ${name} is not noted: ${messageOf(error)}`); // a process with the passphrase reads it from the archive
  }
}

async function readOne(server: HistoryServer, name: WalName, known: KnownHistory | undefined): Promise<KnownHistory> {
  const path = walArchiveOf(server.layout).pathOf(name);
  const state = stateOf(path);
  if (known !== undefined && isSameState(known.state, state)) return known;
  const { storageOf } = await import('../../encryption/stored-wal.ts');
  const history = await readHistoryFile(path, name, storageOf(server));
  return knownFrom(state, history);
}

function knownFrom(state: FileState, history: readonly TimelineSwitch[]): KnownHistory {
  return { state, switches: history.map(({ timeline, switchLsn }) => [timeline, formatLsn(switchLsn)]) };
}

function switchesOf({ switches }: KnownHistory): readonly TimelineSwitch[] {
  return switches.map(([timeline, position]) => ({ timeline, switchLsn: parseLsn(position) ?? fail(position), reason: '' }));
}

function fail(position: string): never {
  throw new Error(`not a position in a history that was stored: ${position}`);
}
