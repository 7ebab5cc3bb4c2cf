import type { Context } from '../../shared/context.ts';
import { readLedger } from '../index/read-ledger.ts';
import type { WalRuns } from '../index/wal-runs.ts';
import { type Histories, type HistoryServer, readHistories } from './read-histories.ts';

/** What the archive holds, as far as its continuity goes. */
export interface ArchivedWal extends Histories {
  readonly runs: WalRuns;
}

/**
 * Reads which segments and histories the archive holds.
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readArchivedWal(
  server: HistoryServer,
  segmentSize: number,
  context: Pick<Context, 'log' | 'signal'>,
): Promise<ArchivedWal> {
  const ledger = await readLedger(server.layout, context);
  const names = ledger.histories.map(({ name }) => name);
  return { runs: ledger.runs(segmentSize), ...(await readHistories(server, names, context)) };
}
