import { CronTime } from 'cron';
import { messageOf, OperatorError } from '../shared/operator-error.ts';

/** When backups are to be taken. */
export interface BackupSchedule {
  /** As it stands in the configuration. */
  readonly text: string;
  /** The first planned instant after another one. */
  nextAfter(instant: Date): Date;
}

/**
 * Reads `backup_schedule`: a cron expression and, after it, a time zone. Where clocks go forward, a time that does not exist is planned for
 * the first one that does; where they go back, a time of day that comes twice is planned for the first time it comes, while a schedule
 * of every hour, or of more, counts both hours.
 * @throws OperatorError `configuration-invalid`
 */
export function parseBackupSchedule(text: string): BackupSchedule {
  const [, expression = '', zone] = /^(.*?)(?:\s+([A-Z][\w+-]*(?:\/[\w+/-]+)*))?$/.exec(text.trim()) ?? [];
  try {
    const time = new CronTime(expression, zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
    time.getNextDateFrom(new Date(0)); // an expression that never comes, such as the 30th of February, is a mistake
    return { text, nextAfter: (instant) => time.getNextDateFrom(instant, time.timeZone).toJSDate() };
  } catch (error) {
    throw new OperatorError(
      'configuration-invalid',
      `backup_schedule = ${text} is not possible: ${firstLine(messageOf(error))}`,
      {
        hint: 'write minute, hour, day of month, month, day of week, as in  30 1 * * *  or  30 1 * * sun Europe/Berlin',
      },
    );
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
