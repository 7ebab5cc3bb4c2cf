import { type Backup, newBackup, parseBackupId } from '../../../src/catalog/backups/backup.ts';
import type { WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import type { ArchiveFacts, RestoreWish } from '../../../src/restore/guards/judge-backup.ts';
import { WalCoverage } from '../../../src/restore/wal/wal-coverage.ts';
import { parseTimestamp } from '../../../src/shared/timestamp.ts';
import { parseLsn } from '../../../src/wal/lsn.ts';
import { parseTimelineHistory } from '../../../src/wal/timeline-history.ts';
import { defaultSegmentSize, parseSegmentName, parseWalName } from '../../../src/wal/wal-name.ts';

export function instant(text: string) {
  const { epochMicros, offsetMinutes } = parseTimestamp(text)!;
  return { epochMicros, offsetMinutes };
}

export function lsn(text: string) {
  return parseLsn(text)!;
}

/** `2:5` is segment 5 of timeline 2. */
export function segment(short: string) {
  const [timeline = '', number = ''] = short.split(':');
  return parseSegmentName(`${timeline.padStart(8, '0')}${'0'.repeat(8)}${number.padStart(8, '0')}`)!;
}

/** A backup of January 2026 that begins and ends in one segment, at noon of its day. */
export function aBackup({ day = 2, at = '1:2', ...rest }: { day?: number; at?: string } & Partial<Backup> = {}): Backup {
  const id = parseBackupId(`202601${String(day).padStart(2, '0')}T120000`)!;
  const begin = segment(at);
  const number = at.split(':')[1]!;
  return {
    ...newBackup({ id, serverName: 'main', mode: 'postgres', backupName: null, systemid: null, parentBackupId: null }),
    status: 'DONE',
    version: 150_018,
    timeline: Number.parseInt(at, 10),
    beginWal: begin,
    endWal: begin,
    beginXlog: lsn(`0/${number}000028`),
    endXlog: lsn(`0/${number}000100`),
    endTime: instant(`2026-01-${String(day).padStart(2, '0')} 12:00:10+00`),
    ...rest,
  };
}

interface ArchiveSketch {
  /** Segments as `1:2`, or with the hour of 2 January at which they were last written: `1:2@13`. */
  readonly segments: readonly string[];
  /** History files by timeline: `1 0/3000000` is one line. */
  readonly histories?: Readonly<Record<number, string>>;
  readonly now?: string;
}

export function anArchive({ segments, histories = {}, now = '2026-01-20 00:00:00+00' }: ArchiveSketch): ArchiveFacts {
  const coverage = new WalCoverage(defaultSegmentSize);
  for (const text of segments) {
    const [short = '', hour = '12'] = text.split('@');
    coverage.add(segment(short), Number(instant(`2026-01-02 ${hour}:00:00+00`).epochMicros / 1_000_000n));
  }
  const parsed = Object.entries(histories).map(([timeline, text]) => {
    const lines = text.split(',').map((line) => `${line.trim().replace(' ', '\t')}\tno recovery target specified`);
    return [Number(timeline), parseTimelineHistory(lines.join('\n'), 'test')] as const;
  });
  return { histories: new Map(parsed), coverageFor: () => coverage, now: instant(now) };
}

export function aWish(wish: Partial<RestoreWish> = {}): RestoreWish {
  return { target: { kind: 'none' }, timeline: undefined, standbyMode: false, fetchesWal: false, ...wish };
}

/** Whole names, or segments as `1:2` with a suffix such as `.partial`. */
export function anEntry(text: string, rest: Partial<WalEntry> = {}): WalEntry {
  const [, short, suffix = ''] = /^(\d+:\w+?)(\..*)?$/.exec(text) ?? [];
  const name = short === undefined ? text : `${segment(short)}${suffix}`;
  return {
    name: parseWalName(name)!,
    size: defaultSegmentSize,
    time: 1_770_000_000,
    compression: null,
    encryption: null,
    ...rest,
  };
}
