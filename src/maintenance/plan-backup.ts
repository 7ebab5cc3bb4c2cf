import type { BackupSchedule } from './backup-schedule.ts';

/** Beyond this what was missed is not counted one by one. */
const countedBackMs = 24 * 3_600_000;

/**
 * When the next backup of a server is planned: the first time after the newest backup was begun, which lies in the past when it was missed;
 * a server that has none is not late.
 * @param newestBegun of any backup in the catalog, whatever became of it
 */
export function firstPlanned(schedule: BackupSchedule, newestBegun: Date | undefined, now: Date): Date {
  return schedule.nextAfter(newestBegun ?? now);
}

/**
 * The first planned time after `now`, counted on from the one that was kept: so a time of day that the end of summer time brings twice
 * is kept once, and times that passed while a backup ran, or while nobody was there to keep them, are left out.
 */
export function plannedAfter(schedule: BackupSchedule, kept: Date, now: Date): Date {
  let next = now.getTime() - kept.getTime() > countedBackMs ? schedule.nextAfter(now) : schedule.nextAfter(kept);
  while (next <= now) next = schedule.nextAfter(next);
  return next;
}
