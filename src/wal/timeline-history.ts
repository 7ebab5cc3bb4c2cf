import { OperatorError } from '../shared/operator-error.ts';
import { type Lsn, parseLsn } from './lsn.ts';
import { hex8 } from './wal-name.ts';

/** One line of a history file: this timeline was left for the next one at `switchLsn`. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly switchLsn: Lsn;
  readonly reason: string;
}

/**
 * Reads the content of a `.history` file: oldest ancestor first (PostgreSQL manual, chapter "Continuous Archiving", Timelines).
 * Blank lines and comments are skipped.
 * @throws OperatorError `wal-index-invalid` for a line of another shape or a file without a line
 */
export function parseTimelineHistory(text: string, name: string): TimelineSwitch[] {
  const switches: TimelineSwitch[] = [];
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const [timeline = '', position = '', ...reason] = trimmed.split(/\t/);
    const switchLsn = parseLsn(position);
    if (!/^\d+$/.test(timeline) || switchLsn === undefined) {
      throw new OperatorError(
        'wal-index-invalid',
        `${name} is not a timeline history: cannot read the line "${trimmed.slice(0, 100)}"`,
      );
    }
    switches.push({ timeline: Number(timeline), switchLsn, reason: reason.join('\t') });
  }
  if (switches.length === 0) throw new OperatorError('wal-index-invalid', `${name} is not a timeline history: it has no line`);
  return switches;
}

/** More than any history has: a line for each time that the server was promoted. */
export const longestHistoryBytes = 1 << 20;

/** Name of the history file that says where `timeline` comes from. */
export function historyNameOf(timeline: number): string {
  return `${hex8(timeline)}.history`;
}
