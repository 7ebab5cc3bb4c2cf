// What a healthy server leaves in its home, written without PostgreSQL: for commands that only read, and for those that must refuse.
import { mkdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Backup, emptyBackup, parseBackupId } from '../../src/catalog/backups/backup.ts';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { formatWalEntry } from '../../src/catalog/index/wal-entry.ts';
import { parseTimestamp } from '../../src/shared/timestamp.ts';
import { lsnFromBytes } from '../../src/wal/lsn.ts';
import { defaultSegmentSize, segmentAtIndex, segmentStart } from '../../src/wal/wal-name.ts';
import type { TestHome } from './test-home.ts';

/** Ids of the backups that {@link writeCatalog} writes, each from two o'clock of its day; WAL reaches from segment 2 to 8. */
export const writtenBackups = {
  /** Named `weekly`, with tablespace `fast` (16400) in `/var/tmp/fast`; segment 2. */
  weekly: '20240301T020000',
  /** Named `twin`; segment 4. */
  firstTwin: '20240302T020000',
  /** Named `twin`; segment 6. */
  secondTwin: '20240303T020000',
  failed: '20240304T020000',
} as const;

/** Path of a backup's record. */
export function recordPath(home: TestHome, server: string, id: string): string {
  return home.server(server, 'meta', `${id}-backup.info`);
}

/** Three usable backups, a failed one, and seven WAL segments of zeros that begin with `content of segment N`. */
export async function writeCatalog(home: TestHome, server: string): Promise<void> {
  for (const folder of ['base', 'wals', 'incoming', 'streaming', 'errors', 'meta']) {
    await mkdir(home.server(server, folder), { recursive: true });
  }
  const { weekly, firstTwin, secondTwin, failed } = writtenBackups;
  const tablespaces = [{ name: 'fast', oid: 16_400, location: '/var/tmp/fast' }];
  const backups = [
    sketchBackup({ id: weekly, server, segment: 2, rest: { backupName: 'weekly', tablespaces } }),
    sketchBackup({ id: firstTwin, server, segment: 4, rest: { backupName: 'twin' } }),
    sketchBackup({ id: secondTwin, server, segment: 6, rest: { backupName: 'twin' } }),
    sketchBackup({ id: failed, server, segment: 8, rest: { status: 'FAILED', error: 'failure copying files (no space)' } }),
  ];
  for (const backup of backups) await writeBackup(home, backup);
  await writeWals(home, server);
  await home.own(home.path);
}

/** The manifest that a backup of `pg_basebackup` has, of no files. */
export async function writeManifest(home: TestHome, server: string, id: string): Promise<void> {
  const text = '{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [],\n"Manifest-Checksum": "0"}\n';
  await writeFile(home.server(server, 'base', id, 'data', 'backup_manifest'), text);
}

interface Sketch {
  readonly id: string;
  readonly server: string;
  readonly segment: number;
  readonly rest?: Partial<Backup>;
}

/** A backup that is done, in one segment of timeline 1, counted from the first. */
export function sketchBackup({ id, server, segment, rest = {} }: Sketch): Backup {
  const day = `${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}`;
  const time = `${id.slice(9, 11)}:${id.slice(11, 13)}`;
  const wal = segmentAtIndex(1, segment, defaultSegmentSize);
  const start = segmentStart(wal, defaultSegmentSize);
  return {
    ...emptyBackup(parseBackupId(id) ?? fail(id)),
    serverName: server,
    status: 'DONE',
    mode: 'postgres',
    systemid: '7000000000000000001',
    version: 150_018,
    pgdata: '/srv/pg/data',
    timeline: 1,
    beginTime: parseTimestamp(`${day} ${time}:00+00:00`) ?? fail(day),
    endTime: parseTimestamp(`${day} ${time}:10+00:00`) ?? fail(day),
    beginWal: wal,
    endWal: wal,
    beginXlog: lsnFromBytes(start + 0x28n),
    endXlog: lsnFromBytes(start + 0x100n),
    beginOffset: 40,
    endOffset: 256,
    size: 24_000_000,
    deduplicatedSize: 24_000_000,
    ...rest,
  };
}

async function writeBackup(home: TestHome, backup: Backup): Promise<void> {
  const folder = home.server(backup.serverName, 'base', backup.id);
  const files: Readonly<Record<string, string>> = {
    'data/PG_VERSION': '15\n',
    'data/backup_label': 'START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n',
    'data/global/pg_control': 'control',
    'data/postgresql.conf': '# nothing\n',
    ...Object.fromEntries((backup.tablespaces ?? []).map(({ oid }) => [`${String(oid)}/PG_15_202209061/5/16401`, 'rows'])),
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  await writeFile(recordPath(home, backup.serverName, backup.id), formatBackupInfo(backup));
}

async function writeWals(home: TestHome, server: string): Promise<void> {
  const folder = home.server(server, 'wals', '0000000100000000');
  await mkdir(folder);
  const lines: string[] = [];
  for (let number = 2; number <= 8; number++) {
    const name = segmentAtIndex(1, number, defaultSegmentSize);
    const text = `content of segment ${String(number)}`;
    const seconds = Date.UTC(2024, 2, 1, 2 + 12 * (number - 2)) / 1000;
    await writeFile(join(folder, name), text);
    await truncate(join(folder, name), defaultSegmentSize);
    await utimes(join(folder, name), seconds, seconds);
    lines.push(formatWalEntry({ name, size: defaultSegmentSize, time: seconds, compression: null, encryption: null }));
  }
  await writeFile(home.server(server, 'wals', `${server}-xlog.db`), lines.join(''));
}

function fail(text: string): never {
  throw new Error(`the sketch is wrong: ${text}`);
}
