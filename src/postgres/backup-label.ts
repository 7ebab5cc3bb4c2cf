import { parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { type Lsn, parseLsn } from '../wal/lsn.ts';
import { parseSegmentName, type SegmentName } from '../wal/wal-name.ts';

export interface BackupStart {
  readonly lsn: Lsn;
  readonly segment: SegmentName;
  readonly startedAt: Timestamp | undefined;
}

/** Reads where a backup begins from its `backup_label` (PostgreSQL manual, chapter "Continuous Archiving"); undefined for other text. */
export function parseBackupLabel(text: string): BackupStart | undefined {
  const [, position = '', file = ''] = /^START WAL LOCATION: (\S+) \(file ([0-9A-Fa-f]{24})\)/m.exec(text) ?? [];
  const lsn = parseLsn(position);
  const segment = parseSegmentName(file);
  if (lsn === undefined || segment === undefined) return undefined;
  return { lsn, segment, startedAt: parseTimestamp(/^START TIME: (.*)$/m.exec(text)?.[1] ?? '') };
}
