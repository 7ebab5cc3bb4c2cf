import type { Backup } from '../catalog/backup.ts';
import { type ContinuityReport, readContinuity } from '../catalog/read-continuity.ts';
import type { RecoverableWindow } from '../catalog/wal-continuity.ts';
import { describeHole } from '../check/describe-hole.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf } from '../shared/operator-error.ts';
import { formatLongTime, timestampFromEpoch } from '../shared/timestamp.ts';
import type { StatusItem } from './reports/server-reports.ts';

/**
 * What can be recovered, and the holes in it: `status` ends with these, once a backup is copy done. The keys without a timeline are about
 * the whole server; where backups of several timelines are there, each has its own, too.
 */
export async function continuityItems(
  server: Server,
  backups: readonly Backup[],
  context: Context,
): Promise<readonly StatusItem[]> {
  const { layout, config, programPath: path, environment } = server;
  try {
    const options = { layout, backups, surroundings: { path, environment }, isPassive: config.isPassive };
    const report = await readContinuity(options, context);
    return report === undefined ? [] : itemsOf(report);
  } catch (error) {
    const reason = expectedFailureOf(error);
    if (reason === undefined || reason.code === 'interrupted') throw error;
    return [{ key: 'wal_holes', label: 'WAL holes', message: `unknown (${reason.message})` }];
  }
}

function itemsOf({ windows, holes, waitingCount }: ContinuityReport): readonly StatusItem[] {
  const waiting = waitingCount === 0 ? '' : ` (missing but waiting to be archived: ${String(waitingCount)})`;
  const timelines = windows.length < 2 ? [] : windows;
  return [
    ...windowItems(wholeOf(windows), { key: '', label: '' }),
    ...timelines.flatMap((window) => {
      const timeline = String(window.timeline);
      return windowItems(window, { key: `_timeline_${timeline}`, label: ` on timeline ${timeline}` });
    }),
    { key: 'wal_holes', label: 'WAL holes', message: `${holes.length === 0 ? 'none' : String(holes.length)}${waiting}` },
    ...holes.map((hole, position) => {
      const number = String(position + 1);
      return { key: `wal_hole_${number}`, label: `WAL hole ${number}`, message: describeHole(hole) };
    }),
  ];
}

type Window = Pick<RecoverableWindow, 'from' | 'to'>;

/** From the oldest backup to what was written last, whatever the timelines. */
function wholeOf(windows: readonly RecoverableWindow[]): Window | undefined {
  const [some] = windows;
  if (some === undefined) return undefined;
  const { from } = windows.reduce((found, window) => (window.from.backupId < found.from.backupId ? window : found), some);
  const { to } = windows.reduce((found, window) => ((window.to.time ?? 0) >= (found.to.time ?? 0) ? window : found), some);
  return { from, to };
}

function windowItems(window: Window | undefined, suffix: { key: string; label: string }): readonly StatusItem[] {
  const items = [
    { key: 'recoverable_from', label: 'Recoverable from', message: fromText(window) },
    { key: 'recoverable_to', label: 'Recoverable to', message: toText(window) },
  ];
  return items.map(({ key, label, message }) => ({ key: `${key}${suffix.key}`, label: `${label}${suffix.label}`, message }));
}

function fromText(window: Window | undefined): string {
  if (window === undefined) return 'None';
  const { time, backupId } = window.from;
  return `${time === null ? 'unknown time' : formatLongTime(time)} (backup ${backupId})`;
}

function toText(window: Window | undefined): string {
  if (window === undefined) return 'None';
  const { time, segment } = window.to;
  return `${time === undefined ? 'unknown time' : formatLongTime(timestampFromEpoch(time))} (last WAL ${segment})`;
}
