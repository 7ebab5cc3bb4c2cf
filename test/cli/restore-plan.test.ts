// The plan of a restore: what a dry run says, that it changes nothing, and that a run does exactly that.
import { appendFile, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { recordPath, writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
const { weekly, firstTwin, secondTwin } = writtenBackups;
const mounts = await canMount();

interface Plan {
  readonly backup: { id: string; reason: string; passed_over: { id: string; reason: string }[] };
  readonly trees: { kind: string; source: string; destination: string; bytes: number; files: number; exact: boolean }[];
  readonly space: { path: string; needed_bytes: number; free_bytes: number }[];
  readonly wal: { first: string; last: string; holes: unknown[]; files: string[]; bytes: number; destination: string | null };
  readonly timelines: unknown[];
  readonly recovery_settings: { file: string; lines: string[]; signal: string } | null;
  readonly configuration: { changes: unknown[]; missing_files: string[] };
  readonly stages: { stage: string; bytes: number; estimated_seconds: number | null; basis: string }[];
  readonly refusals: { code: string; message: string; hint: string | null }[];
}

let home: TestHome;
const place = (...below: string[]) => join(home.folder, ...below);
const segment = (number: number) => `00000001000000000000000${String(number)}`;

beforeEach(async () => {
  home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
});

async function run(words: readonly string[]) {
  return await runPgcellar(['-f', 'json', 'restore', ...words], { home });
}

async function planOf(words: readonly string[]): Promise<Plan> {
  const { stdout } = await run(['--dry-run', ...words]);
  return (JSON.parse(stdout) as { plan: Plan }).plan;
}

/** Every path below a folder with size and time of its change: the same before and after something that changes nothing. */
async function snapshot(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(folder, { recursive: true })) {
    const { size, mtimeMs } = await stat(join(folder, entry));
    // locks and the log are written by every command
    if (!/\.lock$|barman\.log$/.test(entry) && entry !== 'home') lines.push(`${entry} ${String(size)} ${String(mtimeMs)}`);
  }
  return lines.toSorted();
}

describe('a dry run', () => {
  test('says everything that a run will do', async () => {
    await writeFile(
      home.server('main', 'base', secondTwin, 'data', 'postgresql.conf'),
      "archive_command = 'cp %p /srv/archive/%f'\nhba_file = '/etc/pg_hba.conf'\n",
    );
    const plan = await planOf(['--target-lsn', '0/7000100', '--target-action', 'promote', 'main', 'auto', place('new')]);
    expect(plan).toMatchObject({
      backup: {
        id: secondTwin,
        reason: 'the newest one from which the LSN can be reached',
        passed_over: [{ reason: 'its status is FAILED' }],
      },
      trees: [{ kind: 'data', destination: place('new'), exact: true, files: 4 }],
      wal: {
        first: segment(6),
        last: segment(8),
        holes: [],
        files: [segment(6), segment(7), segment(8)],
        bytes: 3 * 16 * 1024 * 1024,
        destination: place('new/barman_wal'),
      },
      timelines: [{ timeline: 1, since: null, until: null }],
      recovery_settings: { file: 'postgresql.auto.conf', signal: 'recovery.signal' },
      configuration: {
        changes: [{ file: 'postgresql.conf', line: 0, key: 'archive_command', value: 'false' }],
        warnings: [{ file: 'postgresql.conf', key: 'hba_file' }],
        missing_files: ['pg_hba.conf', 'pg_ident.conf'], // the other one is made
      },
      refusals: [],
    });
    expect(plan.recovery_settings?.lines).toContain("recovery_target_lsn = '0/7000100'");
    expect(plan.stages.map(({ stage }) => stage)).toEqual(['copy', 'wal', 'sync']);
  });

  test('changes nothing, and leaves waiting WAL where it is', async () => {
    await writeFile(home.server('main', 'incoming', segment(9)), Buffer.alloc(16 * 1024 * 1024));
    await runWell(['list-backups', 'main'], { home }); // what every look at the catalog remembers of it is remembered now
    const before = await snapshot(home.folder);
    const plan = await planOf(['main', 'latest', place('new')]);
    expect(await snapshot(home.folder)).toEqual(before);
    // it counts, because a run archives it first
    expect(plan.wal).toMatchObject({ last: segment(9), files: [segment(6), segment(7), segment(8), segment(9)] });
  });

  test('names every reason against it, with exit code 1, and a run refuses for the same ones', async () => {
    await mkdir(place('full'));
    await writeFile(place('full/thesis.txt'), 'the only copy');
    const words = [
      '--target-lsn',
      '5/0',
      '--target-xid',
      'x',
      '--tablespace',
      'slow:/srv/slow',
      'main',
      'latest',
      place('full'),
    ];
    const dry = await run(['--dry-run', ...words]);
    expect(dry.exitCode).toBe(1);
    const { plan } = JSON.parse(dry.stdout) as { plan: Plan };
    expect(plan.refusals.map(({ code }) => code)).toEqual([
      'target-invalid',
      'target-unreachable',
      'destination-unusable',
      'destination-unusable',
    ]);
    const real = await run(words);
    expect(real.exitCode).toBe(1);
    const told = plan.refusals.map(({ message, hint }) => (hint === null ? message : `${message} (${hint})`));
    expect((JSON.parse(real.stdout) as { _ERROR: string[] })._ERROR).toEqual(told);
    expect((JSON.parse(dry.stdout) as { _ERROR: string[] })._ERROR).toEqual(told);
    expect(await readFile(place('full/thesis.txt'), 'utf8')).toBe('the only copy');
  });

  test('on the console is the head of a run, but not of one under the name of Barman', async () => {
    const words = ['restore', '--target-immediate', 'main', 'latest'];
    const dry = await runPgcellar([...words, place('a'), '--dry-run'], { home });
    expect(dry).toMatchObject({ exitCode: 0 });
    expect(dry.stdout).toContain(`\tBackup: ${secondTwin} (PostgreSQL 15, full, plain`);
    const real = await runPgcellar([...words, place('a')], { home });
    // others write to this disk meanwhile
    const withoutFree = (text: string) => text.replace(/, [\d.]+ \w+ free at /, ' at ');
    expect(withoutFree(real.stdout)).toMatch(/^Restore plan for server main:/);
    expect(withoutFree(real.stdout).startsWith(withoutFree(dry.stdout))).toBe(true);
    const barman = await runPgcellar([...words, place('b')], { home, as: 'barman' });
    expect(barman.stdout).toMatch(/^Starting local restore for server main using backup /);
  });
});

describe('a run', () => {
  test('copies the bytes and files that were planned, and writes the settings that were planned', async () => {
    const words = ['--target-xid', '800', '--tablespace', `fast:${place('fast')}`, 'main', weekly, place('new')];
    const plan = await planOf(words);
    expect(await run(words)).toMatchObject({ exitCode: 0 });
    expect(plan.trees).toHaveLength(2);
    for (const { destination, bytes, files } of plan.trees) {
      const written = new Set(['postgresql.auto.conf', 'postgresql.conf.origin', '.barman-recover.info', 'recovery.signal']);
      const found = (await readdir(destination, { recursive: true, withFileTypes: true })).filter(
        (entry) => entry.isFile() && !written.has(entry.name) && !entry.parentPath.includes('barman_wal'),
      );
      const sizes = await Promise.all(found.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size));
      expect({ files: found.length, bytes: sizes.reduce((a, b) => a + b, 0) }).toEqual({ files, bytes });
    }
    const settings = await readFile(place('new/postgresql.auto.conf'), 'utf8');
    expect(settings).toBe(plan.recovery_settings?.lines.map((line) => `${line}\n`).join(''));
    const wals = await readdir(place('new/barman_wal'));
    expect(wals.toSorted()).toEqual(plan.wal.files);
    const bytes = await Promise.all(wals.map(async (name) => (await stat(place('new/barman_wal', name))).size));
    expect(bytes.reduce((a, b) => a + b, 0)).toBe(plan.wal.bytes);
  });

  test('tells what each stage took, and later plans estimate by it', async () => {
    const { stdout } = await run(['main', 'latest', place('a')]);
    const { stages } = JSON.parse(stdout) as { stages: { stage: string; bytes: number; seconds: number }[] };
    expect(stages.map(({ stage }) => stage)).toEqual(['copy', 'wal', 'sync']);
    const plan = await planOf(['main', 'latest', place('b')]);
    expect(plan.stages.find(({ stage }) => stage === 'wal')).toMatchObject({ basis: 'earlier restores' });
    await rm(home.server('main', '.pgcellar'), { recursive: true });
    expect(await run(['main', 'latest', place('b')])).toMatchObject({ exitCode: 0 });
  });

  test('restores an inactive server, and archives nothing for it', async () => {
    await home.writeServer('main', { ...server, active: false });
    await writeFile(home.server('main', 'incoming', segment(9)), Buffer.alloc(16 * 1024 * 1024));
    expect(await run(['main', 'latest', place('new')])).toMatchObject({ exitCode: 0 });
    expect(await readdir(home.server('main', 'incoming'))).toEqual([segment(9)]);
    expect(await readdir(place('new/pg_wal'))).not.toContain(segment(9));
  });

  test('reads a time without a zone in that of the server, and says so', async () => {
    const conf = home.server('main', 'base', weekly, 'data', 'postgresql.conf');
    await writeFile(conf, "timezone = 'America/New_York'\n");
    const words = [
      '--target-time',
      '2024-03-01 12:00:00',
      '--tablespace',
      `fast:${place('fast')}`,
      'main',
      weekly,
      place('new'),
    ];
    const { exitCode, stdout } = await run(words);
    expect(exitCode).toBe(0);
    expect((JSON.parse(stdout) as { _WARNING: string[] })._WARNING[0]).toContain('America/New_York is assumed');
    expect(await readFile(place('new/postgresql.auto.conf'), 'utf8')).toContain(
      "recovery_target_time = '2024-03-01 12:00:00-05:00'",
    );
  });
});

describe('missing WAL', () => {
  test('is shown as holes; a target behind it is refused, unless that is allowed', async () => {
    const index = home.server('main', 'wals', 'main-xlog.db');
    await writeFile(index, (await readFile(index, 'utf8')).replaceAll(/^0{7}10{15}[56].*\n/gm, ''));
    const words = ['--target-lsn', '0/8000100', 'main', firstTwin, place('new')];
    const plan = await planOf(words);
    expect(plan.wal.holes).toEqual([{ first: segment(5), last: segment(6), segments: 2 }]);
    expect(plan.refusals).toMatchObject([
      { code: 'target-unreachable', hint: expect.stringContaining('--allow missing-wal') as string },
    ]);
    expect(await run(words)).toMatchObject({ exitCode: 1 });
    expect(await run(['--allow', 'missing-wal', ...words])).toMatchObject({ exitCode: 0 });
  });
});

test('WAL behind a hole is not copied, whatever it is', async () => {
  await rm(home.server('main', 'wals', '0000000100000000', segment(6)));
  await writeFile(home.server('main', 'wals', '0000000100000000', segment(7)), 'a piece');
  await runWell(['rebuild-xlogdb', 'main'], { home });
  const plan = await planOf(['main', firstTwin, place('new')]);
  expect(plan).toMatchObject({ refusals: [], wal: { files: [segment(4), segment(5)] } });
  expect(await run(['main', firstTwin, place('new')])).toMatchObject({ exitCode: 0 });
  const taken = await planOf(['--allow', 'missing-wal', 'main', firstTwin, place('other')]);
  expect(taken.wal.files).toEqual([segment(4), segment(5), segment(7), segment(8)]);
});

describe('too little space', () => {
  test.skipIf(!mounts)('is refused before a byte is written, unless that is allowed', async () => {
    await using small = await mountSmallFileSystem({ sizeMib: 20 });
    const destination = join(small.path, 'new');
    const { exitCode, stdout } = await run(['main', 'latest', destination]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('there is too little space at');
    expect(await readdir(small.path)).toEqual([]);
    const forced = await run(['--allow', 'space', 'main', 'latest', destination]);
    expect(forced.exitCode).toBe(1);
    expect(forced.stdout).toMatch(/ENOSPC|no space/);
    expect(await readdir(destination)).not.toEqual([]);
  });
});

test('a backup that is being deleted, or that has lost its folder, is refused', async () => {
  await writeFile(home.server('main', 'meta', `${secondTwin}-delete_this`), '');
  const plan = await planOf(['main', secondTwin, place('new')]);
  expect(plan.refusals).toMatchObject([{ message: `backup ${secondTwin} is being deleted` }]);
  await appendFile(recordPath(home, 'main', firstTwin), '');
  await chmod(place('home'), 0o755);
  await rm(home.server('main', 'base', firstTwin), { recursive: true });
  expect((await planOf(['main', firstTwin, place('new')])).refusals).toMatchObject([{ code: 'backup-not-usable' }]);
});

test('a backup whose record ends before it begins, by position or by segment, is refused', async () => {
  const path = recordPath(home, 'main', secondTwin);
  const record = await readFile(path, 'utf8');
  const told = async (key: string, value: string): Promise<unknown> => {
    await writeFile(path, record.replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`));
    return (await planOf(['main', secondTwin, place('new')])).refusals.map(({ message }) =>
      message.replace(/.*, it begins/, '… begins'),
    );
  };
  expect(await told('end_xlog', '0/1')).toContainEqual(expect.stringMatching(/^… begins at 0\/[0-9A-F]+ and ends at 0\/1$/));
  expect(await told('end_wal', segment(1))).toContainEqual(
    expect.stringMatching(new RegExp(`^… begins in .* and ends in ${segment(1)}$`)),
  );
});

test('a history file that only the index names does not wait to be archived', async () => {
  const history = home.server('main', 'wals', '00000009.history');
  await writeFile(history, '1\t0/9000000\tno recovery target specified\n');
  await runWell(['rebuild-xlogdb', 'main'], { home });
  await rm(history);
  const { stderr } = await runPgcellar(['restore', '--dry-run', '--target-tli', '1', 'main', secondTwin, place('new')], {
    home,
  });
  expect(stderr).toContain('names 00000009.history, which is not there');
  expect(stderr).not.toContain('waits to be archived');
});

test('foreign files in a tablespace of a backup are left out, and reported', async () => {
  await writeFile(home.server('main', 'base', weekly, '16400', 'README'), 'x');
  const moved = ['--tablespace', `fast:${place('fast')}`, 'main', weekly, place('new')];
  const { stderr } = await runPgcellar(['restore', '--dry-run', ...moved], { home });
  expect(stderr).toContain("is not PostgreSQL's: 16400/README");
  expect((await planOf(moved)).trees[1]).toMatchObject({ kind: 'tablespace', files: 1 });
});
