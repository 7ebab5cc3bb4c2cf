import type { Backup } from '../../catalog/backups/backup.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { RecoverableWindow } from '../../catalog/wal/judge-continuity.ts';
import { type LastTransaction, readLastTransaction } from '../../catalog/wal/last-transaction.ts';
import { findLostWals } from '../../catalog/wal/lost-wals.ts';
import { type ContinuityReport, readContinuity } from '../../catalog/wal/read-continuity.ts';
import { pathTo, segmentsBackFrom } from '../../catalog/wal/wal-paths.ts';
import { describeHole } from '../../check/describe-hole.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import { type SegmentName, segmentIndex, timelineOf } from '../../wal/wal-name.ts';
import type { ContinuityStatus, RecoveryWindow } from '../reports/server-reports.ts';

/** What can be recovered, and the holes in it, once a backup is copy done. */
export async function readContinuityStatus(
  server: Server,
  backups: readonly Backup[],
  context: Context,
): Promise<ContinuityStatus> {
  try {
    const report = await readContinuity({ server, backups, isPassive: server.config.isPassive }, context);
    if (report === undefined) return { kind: 'none' };
    const { layout } = server;
    const lost = await findLostWals(layout, await readLedger(layout, context), backups);
    const { windows, holes, waitingCount, unreadable } = report;
    return {
      kind: 'known',
      whole: wholeOf(windows),
      windows,
      transactions: await lastTransactions(server, report, context),
      holes: holes.map(describeHole),
      waitingCount,
      unreadable,
      lost,
    };
  } catch (error) {
    const reason = expectedFailureOf(error);
    if (reason === undefined || reason.code === 'interrupted') throw error;
    return { kind: 'unknown', reason: reason.message };
  }
}

async function lastTransactions(
  server: Server,
  { windows, histories, segmentSize }: ContinuityReport,
  context: Context,
): Promise<ReadonlyMap<SegmentName, LastTransaction>> {
  const found = new Map<SegmentName, LastTransaction>();
  for (const { to } of windows) {
    if (found.has(to.segment)) continue;
    const last = segmentIndex(to.segment, segmentSize);
    const path = pathTo(timelineOf(to.segment), last, { histories, segmentSize });
    found.set(to.segment, await readLastTransaction(server, segmentsBackFrom(path, last, segmentSize), context));
  }
  return found;
}

/** From the oldest backup to what was written last, whatever the timelines. */
function wholeOf(windows: readonly RecoverableWindow[]): RecoveryWindow | undefined {
  const [some] = windows;
  if (some === undefined) return undefined;
  const { from } = windows.reduce((found, window) => (isOlder(window, found) ? window : found), some);
  const { to } = windows.reduce((found, window) => ((window.to.time ?? 0) >= (found.to.time ?? 0) ? window : found), some);
  return { from, to };
}

function isOlder({ from: a }: RecoveryWindow, { from: b }: RecoveryWindow): boolean {
  if (a.time === null || b.time === null) return a.backupId < b.backupId;
  return a.time.epochMicros < b.time.epochMicros;
}
