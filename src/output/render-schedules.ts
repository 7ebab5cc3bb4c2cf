import type { ScheduleReport } from '../maintenance/run-schedule.ts';
import type { Report } from './report.ts';

/** `schedule --list`: a line for each server that has a schedule, with its next times in UTC. */
export function renderSchedules(reports: readonly ScheduleReport[]): Report {
  const lines = reports.map(({ name, text, next, isMissed }) => {
    const times = next.map((time) => time.toISOString()).join(', ');
    return `${name}: ${text}: ${isMissed ? 'missed, a backup begins immediately; then ' : ''}${times}`;
  });
  const entries = reports.map(({ name, text, next, isMissed }) => [
    name,
    { backup_schedule: text, missed: isMissed, next: next.map((time) => time.toISOString()) },
  ]);
  return {
    lines: lines.length === 0 ? ['No server has a backup_schedule'] : lines,
    json: Object.fromEntries(entries) as Report['json'], // pairs of names and plain values
  };
}
