import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Backup, type BackupStatus, emptyBackup, parseBackupId } from '../../src/catalog/backups/backup.ts';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { formatCompactTime, localTimestamp } from '../../src/shared/timestamp.ts';
import { parseSegmentName } from '../../src/wal/wal-name.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
const { weekly, firstTwin, secondTwin, failed } = writtenBackups;

describe('retention', () => {
  let home: TestHome;

  beforeAll(async () => {
    home = await createTestHome({ servers: { main: { ...server, retention_policy: 'REDUNDANCY 2' }, free: server } });
    await writeCatalog(home, 'main');
    await writeCatalog(home, 'free');
  });
  afterAll(async () => home[Symbol.asyncDispose]());

  test('tells what stays and what goes, and why', async () => {
    const { stdout, stderr, exitCode } = await runPgcellar(['retention', 'main'], { home });
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(stdout).toBe(`Server main:
\tPolicy: REDUNDANCY 2
\tMinimum redundancy: 0

\tBackups:
\t\t${failed} - F - -: stays until it is deleted by hand
\t\t\tits status is FAILED
\t\t${secondTwin} 'twin' - F - VALID: stays until there are 2 more full backups
\t\t\tnumber 1 of REDUNDANCY 2
\t\t${firstTwin} 'twin' - F - VALID: stays until there is 1 more full backup
\t\t\tnumber 2 of REDUNDANCY 2
\t\t${weekly} 'weekly' - F - OBSOLETE: goes with the next cron
\t\t\tnewer backups are enough for REDUNDANCY 2

\tWAL:
\t\t000000010000000000000002 to 000000010000000000000003 - 2 files, 32.0 MiB: goes
\t\t\tit goes with backup ${weekly}
\t\t000000010000000000000004 - 1 file, 16.0 MiB: stays
\t\t\tbackup ${firstTwin} cannot be restored without it
\t\t000000010000000000000005 - 1 file, 16.0 MiB: stays
\t\t\trecovery from backup ${firstTwin} to any later point
\t\t000000010000000000000006 - 1 file, 16.0 MiB: stays
\t\t\tbackup ${secondTwin} cannot be restored without it
\t\t000000010000000000000007 to 000000010000000000000008 - 2 files, 32.0 MiB: stays
\t\t\trecovery from backup ${secondTwin} to any later point

\t1 of 4 backups (22.9 MiB) and 2 WAL files (32.0 MiB) go.
`);
  });

  test('tries another policy, in JSON too', async () => {
    const { stdout, exitCode } = await runPgcellar(
      ['-f', 'json', 'retention', '--policy', 'recovery window of 100 years'.replace('years', 'weeks'), 'main'],
      { home },
    );
    expect(exitCode).toBe(0);
    const { main } = JSON.parse(stdout) as { main: Shown };
    expect(main).toMatchObject({
      policy: 'RECOVERY WINDOW OF 100 WEEKS',
      configured_policy: 'REDUNDANCY 2',
      is_trial: true,
      deletions: [weekly, firstTwin],
    });
    expect(main.backups[1]).toMatchObject({ backup_id: secondTwin, outlook: 'after_newer_is_outside', goes: false });
    expect(main.wals[0]).toMatchObject({ goes: true, backup_id: weekly, files: 2, size_bytes: 2 * 16 * 1024 * 1024 });
  });

  test('says when a backup leaves the window', async () => {
    const { stdout } = await runPgcellar(['-f', 'json', 'retention', '--policy', 'RECOVERY WINDOW OF 1000 MONTHS', 'main'], {
      home,
    });
    const { main } = JSON.parse(stdout) as { main: Shown };
    const [, , twin] = main.backups;
    // the newer one ended on 2024-03-03 at 02:00:10
    const leaves = Date.UTC(2024, 2, 3, 2, 0, 10) / 1000 + 31_000 * 86_400;
    expect(twin).toMatchObject({ outlook: 'at', obsolete_at_timestamp: String(leaves) });
  });

  test('judges a server without a policy by the one that is tried', async () => {
    expect((await runPgcellar(['retention', 'free'], { home })).stdout).toContain('\tPolicy: not enforced\n');
    const { stdout } = await runPgcellar(['retention', '--policy', 'REDUNDANCY 0', 'free'], { home });
    expect(stdout).toContain('\tPolicy: REDUNDANCY 0 (a trial; the configuration says nothing that is enforced)\n');
    expect(stdout).toContain(`${secondTwin} 'twin' - F - OBSOLETE*: stays until there is 1 more full backup`);
    expect(await readdir(home.server('free', 'meta'))).toHaveLength(4);
  });

  test('refuses a policy that is none', async () => {
    const { stderr, exitCode } = await runPgcellar(['retention', '--policy', 'FOREVER', 'main'], { home });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^ERROR: 'FOREVER' is not a retention policy\nHINT: .*REDUNDANCY n/);
  });
});

const statuses: readonly BackupStatus[] = ['DONE', 'DONE', 'DONE', 'DONE', 'FAILED', 'WAITING_FOR_WALS', 'STARTED'];
const catalogs = fc.record({
  policy: fc.constantFrom(
    'REDUNDANCY 1',
    'REDUNDANCY 2',
    'REDUNDANCY 3',
    'RECOVERY WINDOW OF 3 DAYS',
    'RECOVERY WINDOW OF 1 WEEK',
  ),
  minimum: fc.nat(3),
  backups: fc.array(
    fc.record({
      status: fc.constantFrom(...statuses),
      parent: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
      keep: fc.option(fc.constantFrom('full', 'standalone'), { freq: 3 }),
    }),
    { minLength: 2, maxLength: 9 },
  ),
});

describeWithOracle('beside the real Barman', () => {
  test('both judge the same backups alike, in 60 random catalogs', async () => {
    await using home = await createTestHome();
    for (const [index, catalog] of fc.sample(catalogs, { numRuns: 60, seed: 20_261_126 }).entries()) {
      await writeRandom(home, `s${String(index).padStart(2, '0')}`, catalog);
    }
    const [ours, theirs] = await Promise.all([
      runPgcellar(['list-backups', 'all'], { home, as: 'barman' }),
      runOracle(['list-backups', 'all'], { home }),
    ]);
    expect(ours).toMatchObject({ exitCode: theirs.exitCode, stderr: theirs.stderr });
    expect(ours.stdout.split('\n')).toEqual(theirs.stdout.split('\n'));
    for (const word of [' - OBSOLETE\n', ' - OBSOLETE*\n', ' - KEEP:FULL\n', ' - KEEP:STANDALONE\n']) {
      expect(theirs.stdout).toContain(word);
    }
  });
});

/** As far as these tests look. */
interface Shown {
  readonly backups: readonly unknown[];
  readonly wals: readonly unknown[];
}

type RandomCatalog = typeof catalogs extends fc.Arbitrary<infer T> ? T : never;

/** A day between any two, the newest of yesterday. */
async function writeRandom(home: TestHome, name: string, { policy, minimum, backups }: RandomCatalog): Promise<void> {
  await home.writeServer(name, { ...server, retention_policy: policy, minimum_redundancy: minimum });
  await mkdir(home.server(name, 'meta'), { recursive: true });
  await mkdir(home.server(name, 'wals'), { recursive: true });
  await writeFile(home.server(name, 'wals', `${name}-xlog.db`), '');
  const written: Backup[] = [];
  for (const [index, { status, parent, keep }] of backups.entries()) {
    const end = localTimestamp(new Date(Date.now() - (backups.length - index) * 86_400_000));
    const id = parseBackupId(formatCompactTime(end))!;
    const parentBackupId = written[index - parent]?.id ?? null;
    const wal = parseSegmentName(`0000000100000000000000${String(10 + index)}`)!;
    const backup: Backup = {
      ...emptyBackup(id),
      serverName: name,
      mode: 'postgres',
      status,
      parentBackupId: parent === 0 ? null : parentBackupId,
      beginTime: end,
      endTime: end,
      timeline: 1,
      beginWal: wal,
      endWal: wal,
      size: 1,
      version: 170_002,
    };
    written.push(backup);
    await mkdir(home.server(name, 'base', id, 'data'), { recursive: true });
    if (keep !== null && backup.parentBackupId === null && status === 'DONE') {
      await writeFile(join(home.server(name, 'meta'), `${id}-keep`), keep);
    }
  }
  for (const backup of written) {
    const children = written.filter(({ parentBackupId }) => parentBackupId === backup.id).map(({ id }) => id);
    const record = formatBackupInfo({ ...backup, childrenBackupIds: children.length === 0 ? null : children });
    await writeFile(join(home.server(name, 'meta'), `${backup.id}-backup.info`), record);
  }
}
