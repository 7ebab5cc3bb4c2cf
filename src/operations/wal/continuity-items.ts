import type { Backup } from '../../catalog/backups/backup.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { RecoverableWindow } from '../../catalog/wal/judge-continuity.ts';
import { type LastTransaction, readLastTransaction } from '../../catalog/wal/last-transaction.ts';
import { findLostWals, type LostWals } from '../../catalog/wal/lost-wals.ts';
import { type ContinuityReport, readContinuity } from '../../catalog/wal/read-continuity.ts';
import { pathTo, segmentsBackFrom } from '../../catalog/wal/wal-paths.ts';
import { describeHole } from '../../check/describe-hole.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import { formatLongTime, timestampFromEpoch } from '../../shared/timestamp.ts';
import { type SegmentName, segmentIndex, timelineOf } from '../../wal/wal-name.ts';
import type { StatusItem } from '../reports/server-reports.ts';

/**
 * The recoverable windows, and the holes in them: `status` ends with these, once a backup is copy done. The keys without a timeline are about
 * the whole server; where backups of several timelines are there, each has its own, too.
 */
export async function continuityItems(
  server: Server,
  backups: readonly Backup[],
  context: Context,
): Promise<readonly StatusItem[]> {
  try {
    const report = await readContinuity({ server, backups, isPassive: server.config.isPassive }, context);
    if (report === undefined) return [];
    const { layout } = server;
    const lost = await findLostWals(layout, await readLedger(layout, context), backups);
    const items = itemsOf(report, await lastTransactions(server, report, context));
    return [...items, ...(lost === undefined ? [] : [lostItem(lost)])];
  } catch (error) {
    const reason = expectedFailureOf(error);
    if (reason === undefined || reason.code === 'interrupted') throw error;
    return [{ key: 'wal_holes', label: 'WAL holes', message: `unknown (${reason.message})` }];
  }
}

function lostItem({ count, first, last }: LostWals): StatusItem {
  const message = `${String(count)} in the index and not in the archive, from ${first} to ${last}`;
  return { key: 'wal_files_lost', label: 'WAL files lost', message };
}

/** By the last segment of a window, where its WAL ends. */
type LastTransactions = ReadonlyMap<SegmentName, LastTransaction>;

async function lastTransactions(
  server: Server,
  { windows, histories, segmentSize }: ContinuityReport,
  context: Context,
): Promise<LastTransactions> {
  const found = new Map<SegmentName, LastTransaction>();
  for (const { to } of windows) {
    if (found.has(to.segment)) continue;
    const last = segmentIndex(to.segment, segmentSize);
    const path = pathTo(timelineOf(to.segment), last, { histories, segmentSize });
    found.set(to.segment, await readLastTransaction(server, segmentsBackFrom(path, last, segmentSize), context));
  }
  return found;
}

function itemsOf(
  { windows, holes, waitingCount, unreadable }: ContinuityReport,
  transactions: LastTransactions,
): readonly StatusItem[] {
  const waiting = waitingCount === 0 ? '' : ` (missing but waiting to be archived: ${String(waitingCount)})`;
  const timelines = windows.length < 2 ? [] : windows;
  return [
    ...windowItems(wholeOf(windows), { key: '', label: '' }, transactions),
    ...timelines.flatMap((window) => {
      const timeline = String(window.timeline);
      return windowItems(window, { key: `_timeline_${timeline}`, label: ` on timeline ${timeline}` }, transactions);
    }),
    { key: 'wal_holes', label: 'WAL holes', message: `${holes.length === 0 ? 'none' : String(holes.length)}${waiting}` },
    ...holes.map((hole, position) => {
      const number = String(position + 1);
      return { key: `wal_hole_${number}`, label: `WAL hole ${number}`, message: describeHole(hole) };
    }),
    ...unreadable.map(({ name, reason }) => ({
      key: `unreadable_history_${String(timelineOf(name))}`,
      label: `History of timeline ${String(timelineOf(name))}`,
      message: `cannot be read, so that its windows and holes are not known (${reason})`,
    })),
  ];
}

type Window = Pick<RecoverableWindow, 'from' | 'to'>;

/** From the oldest backup to what was written last, whatever the timelines. */
function wholeOf(windows: readonly RecoverableWindow[]): Window | undefined {
  const [some] = windows;
  if (some === undefined) return undefined;
  const { from } = windows.reduce((found, window) => (isOlder(window, found) ? window : found), some);
  const { to } = windows.reduce((found, window) => ((window.to.time ?? 0) >= (found.to.time ?? 0) ? window : found), some);
  return { from, to };
}

function isOlder({ from: a }: Window, { from: b }: Window): boolean {
  if (a.time === null || b.time === null) return a.backupId < b.backupId;
  return a.time.epochMicros < b.time.epochMicros;
}

function windowItems(
  window: Window | undefined,
  suffix: { key: string; label: string },
  transactions: LastTransactions,
): readonly StatusItem[] {
  const items = [
    { key: 'recoverable_from', label: 'Recoverable from', message: fromText(window) },
    { key: 'recoverable_to', label: 'Recoverable to', message: toText(window, transactions) },
  ];
  return items.map(({ key, label, message }) => ({ key: `${key}${suffix.key}`, label: `${label}${suffix.label}`, message }));
}

function fromText(window: Window | undefined): string {
  if (window === undefined) return 'None';
  const { time, backupId } = window.from;
  return `${time === null ? 'unknown time' : formatLongTime(time)} (backup ${backupId})`;
}

/** The end of the last transaction: a later time is no target that recovery can reach. Where WAL cannot be read, the time at which it arrived. */
function toText(window: Window | undefined, transactions: LastTransactions): string {
  if (window === undefined) return 'None';
  const { time, segment } = window.to;
  const last = transactions.get(segment);
  if (last?.kind === 'known') {
    const end = { ...timestampFromEpoch(Number(last.endMicros) / 1e6), epochMicros: last.endMicros };
    return `${formatLongTime(end)} (last WAL ${segment})`;
  }
  const arrival = time === undefined ? 'unknown time' : formatLongTime(timestampFromEpoch(time));
  return `${arrival} (last WAL ${segment}, which arrived then)`;
}
