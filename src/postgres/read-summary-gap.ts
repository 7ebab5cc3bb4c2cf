import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import { type SummaryGap, summaryGap } from '../wal/summary-gap.ts';
import type { Connection } from './connect.ts';
import { sqlStateOf } from './connection-failure.ts';

const notAllowed = '42501';

/**
 * Asks a server of version 17 or newer whether it has summarized all WAL since a position. Summaries of timelines that were left count
 * as well: that makes the answer lenient, and the server itself decides when the backup begins.
 * @returns undefined when nothing is missing, or the role may not ask
 */
export async function readSummaryGap(connection: Connection, from: Lsn): Promise<SummaryGap | undefined> {
  try {
    const rows = await connection.query(
      'SELECT start_lsn AS start, end_lsn AS end FROM pg_available_wal_summaries() WHERE end_lsn > $1::pg_lsn',
      [formatLsn(from)],
    );
    const [state] = await connection.query('SELECT summarized_lsn AS done FROM pg_get_wal_summarizer_state()');
    const summaries = rows.flatMap((row) => {
      const [start, end] = [parseLsn(row['start'] ?? ''), parseLsn(row['end'] ?? '')];
      return start === undefined || end === undefined ? [] : [{ start, end }];
    });
    return summaryGap(from, summaries, parseLsn(state?.['done'] ?? ''));
  } catch (error) {
    if (sqlStateOf(error) === notAllowed) return undefined;
    throw error;
  }
}
