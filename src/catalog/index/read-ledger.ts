import type { Context } from '../../shared/context.ts';
import type { ServerLayout } from '../server-layout.ts';
import { readKnownLedger } from './ledger-of-index.ts';
import type { WalLedger } from './wal-ledger.ts';

/**
 * The entries of the WAL index. In the common case they are read from the ledger, and from the index only the lines that were added since.
 * Where something does not fit, the index is compared, and if need be read, under its lock.
 * @throws OperatorError `wal-index-invalid`, `lock-failed`, `interrupted` or `file-unreadable`
 */
export async function readLedger(
  layout: ServerLayout,
  { log, signal }: Partial<Pick<Context, 'log' | 'signal'>> = {},
): Promise<WalLedger> {
  const known = await readKnownLedger(layout);
  if (known !== undefined) return known;
  const { WalIndex } = await import('./wal-index.ts'); // most readings do without
  await using index = await WalIndex.openToRead(layout, signal);
  return await index.ledger(log);
}
