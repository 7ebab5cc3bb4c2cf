import type { Lsn } from './lsn.ts';

/** WAL of one timeline that was summarized: from, included, to, excluded. */
export interface WalSummary {
  readonly start: Lsn;
  readonly end: Lsn;
}

/** Part of the WAL without summaries; `to` is undefined when it has no known end. */
export interface SummaryGap {
  readonly from: Lsn;
  readonly to: Lsn | undefined;
}

/**
 * The first part of the WAL, from a position to where the summarizer has come, that no summary covers. What it has not come to yet is no
 * gap: a backup waits for it (PostgreSQL manual, `pg_available_wal_summaries`).
 * @param summarizedTo undefined when it is not known: then the end of the last summary
 */
export function summaryGap(from: Lsn, summaries: readonly WalSummary[], summarizedTo: Lsn | undefined): SummaryGap | undefined {
  let covered = from;
  for (const { start, end } of summaries.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    if (end <= covered) continue;
    if (start > covered) return { from: covered, to: start };
    covered = end;
  }
  if (covered === from && summarizedTo !== undefined && summarizedTo > from) return { from, to: summarizedTo };
  return undefined;
}
