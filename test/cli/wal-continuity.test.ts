// A segment is lost from an archive: `status` and `check` say so by themselves.
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const { weekly, firstTwin, secondTwin } = writtenBackups;
const segment = (number: number): string => `00000001000000000000000${String(number)}`;

const server = { conninfo: 'host=/nonexistent', backup_method: 'postgres', archiver: 'on' };

/** Backups at the segments 2, 4 and 6, WAL from 2 to 8. */
async function homeWithCatalog(): Promise<TestHome> {
  const home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
  return home;
}

async function loseSegment(home: TestHome, number: number): Promise<void> {
  await rm(home.server('main', 'wals', '0000000100000000', segment(number)));
  expect((await runPgcellar(['rebuild-xlogdb', 'main'], { home })).exitCode).toBe(0);
}

/** The last lines of `status`, from the recoverable window on. */
async function statusOf(home: TestHome): Promise<readonly string[]> {
  const { stdout, exitCode, stderr } = await runPgcellar(['status', 'main'], { home, env: { TZ: 'UTC' } });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  return lines.slice(lines.findIndex((line) => line.startsWith('\tRecoverable from'))).map((line) => line.trim());
}

async function checkOf(home: TestHome): Promise<readonly string[]> {
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  return stdout.split('\n').filter((line) => line.startsWith('\tWAL continuity'));
}

test('status and check follow the archive: whole, with a hole, and whole again', async () => {
  await using home = await homeWithCatalog();
  const from = `Recoverable from: 2024-03-01 02:00:10+00:00 (backup ${weekly})`;
  const to = `Recoverable to: 2024-03-04 02:00:00+00:00 (last WAL ${segment(8)}, which arrived then)`;
  expect(await statusOf(home)).toEqual([from, to, 'WAL holes: none']);
  expect(await checkOf(home)).toEqual([]);

  const content = await readFile(home.server('main', 'wals', '0000000100000000', segment(5)));
  await loseSegment(home, 5);
  const hole = `WAL ${segment(5)} missing (1 segment): backups ${weekly}, ${firstTwin} cannot be restored past it`;
  expect(await statusOf(home)).toEqual([from, to, 'WAL holes: 1', `WAL hole 1: ${hole}`]);
  expect(await checkOf(home)).toEqual([`\tWAL continuity: FAILED (${hole})`]);
  const { pgcellar } = JSON.parse((await runPgcellar(['-f', 'json', 'status', 'main'], { home })).stdout) as {
    pgcellar: { main: Record<string, { description: string; message: string }> };
  };
  const { main } = pgcellar;
  expect(Object.keys(main)).toEqual(expect.arrayContaining(['recoverable_from', 'recoverable_to', 'wal_holes', 'wal_hole_1']));
  expect(main['wal_holes']).toEqual({ description: 'WAL holes', message: '1' });
  expect(Object.values(main).every(({ message }) => typeof message === 'string')).toBe(true);

  await writeFile(home.server('main', 'incoming', segment(5)), content);
  expect(await statusOf(home)).toEqual([from, to, 'WAL holes: none (missing but waiting to be archived: 1)']);
  expect(await checkOf(home)).toEqual([]);

  await rename(home.server('main', 'incoming', segment(5)), home.server('main', 'wals', '0000000100000000', segment(5)));
  await appendFile(home.server('main', 'wals', 'main-xlog.db'), `${segment(5)}\t16777216\t1709300000.0\tNone\n`);
  expect(await statusOf(home)).toEqual([from, to, 'WAL holes: none']);
});

test('timelines with backups have windows of their own', async () => {
  await using home = await homeWithCatalog();
  const name = '000000020000000000000009';
  await mkdir(home.server('main', 'wals', '0000000200000000'));
  await writeFile(home.server('main', 'wals', '0000000200000000', name), 'x');
  await writeFile(home.server('main', 'wals', '00000002.history'), '1\t0/9000098\tno recovery target specified\n');
  await appendFile(
    home.server('main', 'wals', 'main-xlog.db'),
    `00000002.history\t42\t1709600000.0\tNone\n${name}\t1\t1709600000.0\tNone\n`,
  );
  const record = await readFile(home.server('main', 'meta', `${secondTwin}-backup.info`), 'utf8');
  const moved = record.replaceAll(segment(6), name).replace('timeline=1', 'timeline=2').replaceAll('0/6000', '0/9000');
  await writeFile(home.server('main', 'meta', `${secondTwin}-backup.info`), moved);
  const last = `2024-03-05 00:53:20+00:00 (last WAL ${name}, which arrived then)`;
  expect(await statusOf(home)).toEqual([
    `Recoverable from: 2024-03-01 02:00:10+00:00 (backup ${weekly})`,
    `Recoverable to: ${last}`,
    `Recoverable from on timeline 1: 2024-03-01 02:00:10+00:00 (backup ${weekly})`,
    `Recoverable to on timeline 1: ${last}`,
    `Recoverable from on timeline 2: 2024-03-03 02:00:10+00:00 (backup ${secondTwin})`,
    `Recoverable to on timeline 2: ${last}`,
    'WAL holes: none',
  ]);
});

test('without a usable backup there are no such lines', async () => {
  await using home = await createTestHome({
    servers: { main: server },
  });
  const { stdout } = await runPgcellar(['status', 'main'], { home });
  expect(stdout).toMatch(/Minimum redundancy requirements: .*\n$/);
});

test('an index that cannot be read is said, and the rest of the status is there', async () => {
  await using home = await homeWithCatalog();
  await writeFile(home.server('main', 'wals', 'main-xlog.db'), 'nonsense\n');
  const { stdout, exitCode } = await runPgcellar(['status', 'main'], { home });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/\tWAL holes: unknown \(.*main-xlog\.db:1: not a line of a WAL index: nonsense\)\n$/);
});
