import { join } from 'node:path';
import type { StoringServer } from '../../encryption/stored-wal.ts';
import { BoundedSink } from '../../shared/bounded-sink.ts';
import type { Context } from '../../shared/context.ts';
import { type FileState, isSameState, kindOfArrival, stateOf } from '../../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { lastTransactionEnd } from '../../wal/last-transaction-end.ts';
import type { SegmentName } from '../../wal/wal-name.ts';
import { readDerivedEntries, storeDerivedEntries } from '../derived-json.ts';
import type { ServerLayout } from '../server-layout.ts';
import { walArchiveOf } from './wal-archive.ts';

export type LastTransaction =
  /** End of the last transaction, microseconds since 1970-01-01, and the segment that holds its record. */
  | { readonly kind: 'known'; readonly endMicros: bigint; readonly segment: SegmentName }
  | { readonly kind: 'unknown'; readonly reason: string };

interface KnownSegment {
  readonly state: FileState;
  /** Null when no transaction ends in it. */
  readonly endMicros: string | null;
}

const store = 'last-transactions.json';

/** A server that nobody writes to closes segments without a transaction; the next look goes on where this one ends. */
const mostRead = 16;
/** Segments are read as a whole. */
const mostBytes = 64 << 20;

/**
 * When the last transaction ended that the given segments hold: that is how far recovery can be asked to go by time. Few segments are read, and what
 * they say is kept in `.pgcellar/last-transactions.json`, which may be removed at any time.
 * @param segments newest first, none missing between them
 */
export async function readLastTransaction(
  server: StoringServer & { readonly layout: ServerLayout },
  segments: Iterable<SegmentName>,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<LastTransaction> {
  const before = await readDerivedEntries<KnownSegment>(server.layout, store);
  const known: Record<string, KnownSegment> = {};
  let read = 0;
  let found: LastTransaction = { kind: 'unknown', reason: 'no WAL contains a transaction' };
  try {
    for (const segment of segments) {
      throwIfInterrupted(signal);
      const { path, state } = locate(server.layout, segment);
      const kept = before[segment];
      if (kept === undefined || !isSameState(kept.state, state)) {
        if (++read > mostRead) {
          found = {
            kind: 'unknown',
            reason: `the last ${String(Object.keys(known).length)} WAL segments contain no transaction`,
          };
          break;
        }
        const end = lastTransactionEnd(await readSegment(server, path));
        known[segment] = { state, endMicros: end === undefined ? null : String(end) };
      } else known[segment] = kept;
      const { endMicros } = known[segment];
      if (endMicros === null) continue;
      found = { kind: 'known', endMicros: BigInt(endMicros), segment };
      break;
    }
  } catch (error) {
    if (!(error instanceof OperatorError) && systemCodeOf(error) === undefined) throw error;
    if (error instanceof OperatorError && error.code === 'interrupted') throw error;
    return { kind: 'unknown', reason: messageOf(error) };
  }
  if (read > 0) await storeDerivedEntries(server.layout, store, { entries: known, log });
  return found;
}

/** In the archive, or where it waits for that, or as far as it was received. @throws what the file system says when it is nowhere */
function locate(layout: ServerLayout, segment: SegmentName): { readonly path: string; readonly state: FileState } {
  const partial = join(layout.streaming, `${segment}.partial`);
  const archived = walArchiveOf(layout).pathOf(segment);
  for (const path of [archived, join(layout.incoming, segment), join(layout.streaming, segment)]) {
    if (path !== archived && kindOfArrival(path) !== 'file') continue;
    try {
      return { path, state: stateOf(path) };
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    }
  }
  return { path: partial, state: stateOf(partial) };
}

async function readSegment(server: StoringServer, path: string): Promise<Buffer> {
  const { storageOf, writePlainWal } = await import('../../encryption/stored-wal.ts');
  const tooMuch = new OperatorError('file-unreadable', `${path} is too large to look for transactions`);
  return await new BoundedSink(mostBytes, tooMuch).filledBy((sink) => writePlainWal(path, sink, storageOf(server)));
}
