import { type Backup, emptyBackup, parseBackupId } from '../../../src/catalog/backups/backup.ts';
import { parseWalEntry, type WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import { parseSegmentName, parseWalName } from '../../../src/wal/wal-name.ts';

/** Day 2 is `20260102T120000`. */
export function idOf(day: number) {
  return parseBackupId(`202601${String(day).padStart(2, '0')}T120000`)!;
}

/** `2:5` is segment 5 of timeline 2, both hexadecimal; a suffix such as `.partial` may follow; anything without colon is taken whole. */
export function walOf(short: string) {
  const [, timeline = '', number = '', suffix = ''] = /^(\w+):(\w+)(\..*)?$/.exec(short) ?? [];
  const name = timeline === '' ? short : `${timeline.padStart(8, '0')}${'0'.repeat(8)}${number.padStart(8, '0')}${suffix}`;
  return parseWalName(name)!;
}

export function segmentOf(short: string) {
  return parseSegmentName(walOf(short))!;
}

/** A backup of January 2026 that is done and needs the segments `begin` to `end`. */
export function aBackup({
  day = 2,
  begin = '1:2',
  end = begin,
  ...rest
}: { day?: number; begin?: string; end?: string } & Partial<Backup> = {}): Backup {
  return {
    ...emptyBackup(idOf(day)),
    serverName: 'main',
    mode: 'postgres',
    status: 'DONE',
    beginWal: segmentOf(begin),
    endWal: segmentOf(end),
    timeline: Number.parseInt(begin, 16),
    ...rest,
  };
}

/** A line of the index for a name as {@link walOf} reads it. */
export function anEntry(short: string, rest: Partial<WalEntry> = {}): WalEntry {
  return { ...parseWalEntry(`${walOf(short)}\t16777216\t1770000000.5\tNone`)!, ...rest };
}
