import type { ArchiverStatistics } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { formatCTime } from '../shared/timestamp.ts';
import { formatInterval } from '../shared/units.ts';
import { untilAborted } from '../shared/until-aborted.ts';

const firstAfterMs = 5000;
const againAfterMs = 60_000;

/**
 * While PostgreSQL ends a backup only when it has archived its WAL: says so after a few seconds and then once a minute, since when, and what
 * keeps the archiver from it. Ends when `until` aborts; what cannot be asked is not said.
 */
export async function tellAwaitedArchiving(
  ask: () => Promise<ArchiverStatistics>,
  { clock, messages, log }: Pick<Context, 'clock' | 'messages' | 'log'>,
  until: AbortSignal,
): Promise<void> {
  const startedMs = clock.elapsedMs();
  try {
    for (let pauseMs = firstAfterMs; ; pauseMs = againAfterMs) {
      await clock.sleep(pauseMs, until);
      const statistics = await untilAborted(ask(), until).catch((error: unknown) => unasked(error, { log, until }));
      messages.warning(awaitedText((clock.elapsedMs() - startedMs) / 1000, statistics));
    }
  } catch (error) {
    if (!until.aborted) throw error;
  }
}

function unasked(error: unknown, { log, until }: Pick<Context, 'log'> & { readonly until: AbortSignal }): undefined {
  if (until.aborted || !(error instanceof OperatorError)) throw error;
  log.debug(`pg_stat_archiver cannot be read: ${messageOf(error)}`);
}

/** A message with the file that is awaited, the time so far, and the remedy. */
export function awaitedText(seconds: number, statistics: ArchiverStatistics | undefined): string {
  const waits = `PostgreSQL waits until the WAL of the backup is archived, so far for ${formatInterval(seconds)}`;
  if (statistics === undefined || statistics.isArchiving) return waits;
  const { lastFailedWal, lastFailedTime, lastArchivedTime } = statistics;
  const last = lastFailedTime === undefined ? '' : `, last at ${formatCTime(lastFailedTime)}`;
  const since = lastArchivedTime === undefined ? 'it never succeeded' : `it last succeeded at ${formatCTime(lastArchivedTime)}`;
  return `${waits}: its archive_command fails for ${lastFailedWal ?? 'a WAL file'}${last}; ${since}. The log of PostgreSQL gives the reason (for example a full disk, or a host that does not answer); the backup continues as soon as archive_command works`;
}
