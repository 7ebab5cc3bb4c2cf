import { parseWalName, segmentOf, type WalName, walKindOf } from '../wal/wal-name.ts';

/** Where WAL arrives: `streaming` is written by the WAL receiver, `file` by archive_command and put-wal. */
export type ArrivalChannel = 'streaming' | 'file';

export interface Arrival {
  readonly name: string;
  readonly isFile: boolean;
}

export interface ArrivalPlan {
  /** To be archived now, in this order. */
  readonly archive: readonly WalName[];
  /** Of those before them, what somebody is still copying, or left half copied. */
  readonly unfinished: readonly WalName[];
  /** No WAL at all: to the errors folder. */
  readonly unknown: readonly string[];
  /** Files that the batch size leaves for the next run, in this order; whether they are unfinished was not asked. */
  readonly later: readonly WalName[];
}

interface ArrivalRules {
  readonly channel: ArrivalChannel;
  /** 0 is no limit. */
  readonly batchSize: number;
  /** Asked only as far as the batch goes; of what a receiver writes nothing is unfinished under its final name. */
  readonly isUnfinished: (name: WalName) => boolean;
}

/**
 * What to do with the files of a channel (docs/reference/engine.md section 9.3). Of the receiver's folder the newest partial segment stays, because it
 * is being written; without one the newest segment stays, because the receiver finds there where to go on. Files are told apart before
 * they are counted, so a batch of one always makes progress.
 */
export function planArrivals(arrivals: readonly Arrival[], { channel, batchSize, isUnfinished }: ArrivalRules): ArrivalPlan {
  const visible = arrivals.filter(({ name }) => !name.startsWith('.') && !name.endsWith('.tmp'));
  const unknown: string[] = [];
  const wals: WalName[] = [];
  for (const { name, isFile } of visible.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const wal = isFile ? parseWalName(name) : undefined;
    if (wal !== undefined && wal === name) wals.push(wal);
    else unknown.push(name);
  }
  const heldBack = channel === 'streaming' ? newestOfReceiver(wals) : undefined;
  const ready = wals.filter((name) => name !== heldBack);
  const archive: WalName[] = [];
  const unfinished: WalName[] = [];
  let asked = 0;
  for (const name of ready) {
    if (batchSize > 0 && archive.length >= batchSize) break;
    asked++;
    (channel === 'file' && isUnfinished(name) ? unfinished : archive).push(name);
  }
  return { archive, unfinished, unknown, later: ready.slice(asked) };
}

function newestOfReceiver(wals: readonly WalName[]): WalName | undefined {
  const partial = wals.findLast((name) => walKindOf(name) === 'partial');
  return partial ?? wals.findLast((name) => segmentOf(name) === name);
}
