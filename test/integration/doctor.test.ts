// From nothing to a backup: `init` writes the server's file and says what PostgreSQL lacks, `doctor` mends what is ours.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { backupOf, serverFrom, storeBackups } from '../unit/check/check-setup.ts';

const opened = new Opened();
let cluster: PostgresServer;
let home: TestHome;

beforeAll(async () => {
  const hba = [
    'host postgres,replication newcomer,streaming_newcomer all reject',
    'host all,replication locked all scram-sha-256',
  ];
  cluster = await opened.add(startCluster({ major: 18, hba }));
  home = await opened.add(createTestHome());
});
afterAll(() => opened.close());

const init = async (conninfo: string, ...more: readonly string[]): Promise<ProgramResult> =>
  await runPgcellar(['init', 'main', '--conninfo', conninfo, ...more], { home, postgres: 18, config: false });

/** The indented lines below a heading. */
function block(text: string, heading: string): readonly string[] {
  const [, lines = ''] = text.split(`${heading}\n`);
  return (/^(?: {4}.*\n)+/.exec(lines)?.[0] ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

const theConninfo = (): string => `host=127.0.0.1 port=${String(cluster.port)} user=newcomer dbname=postgres`;

test('init refuses what it cannot write down safely, and leaves nothing behind', async () => {
  const password = await init(`${theConninfo()} password=secret`, '--home', join(home.folder, 'first'));
  expect(password).toMatchObject({ exitCode: 1, stdout: '' });
  expect(password.stderr).toContain('holds a password');
  expect(password.stderr).not.toContain('secret');
  expect(await init('this is none')).toMatchObject({ exitCode: 1 });
  expect((await runPgcellar(['init', 'main'], { home, config: false })).stderr).toContain('--conninfo is required');
  const slash = await runPgcellar(['init', '../out', '--conninfo', theConninfo()], { home, config: false });
  expect(slash).toMatchObject({ exitCode: 1, stdout: '' });
  await expect(stat(join(home.userHome, '.pgcellar.d', 'main.conf'))).rejects.toThrow('ENOENT');
});

test.each([
  { title: 'a name for all servers', name: 'all', more: [], says: /'all'/ },
  { title: 'the name of a global section', name: 'pgcellar', more: [], says: /not the section of a server/ },
  { title: 'the name of the defaults', name: 'DEFAULT', more: [], says: /not the section of a server/ },
  { title: 'a name that ends a section', name: 'a]b', more: [], says: /cannot be a section/ },
  { title: 'a slot name with a dash', name: 'main', more: ['--slot-name', 'a-b'], says: /--slot-name a-b: .*letters/ },
  { title: 'no connection at all', name: 'main', more: ['--conninfo', ' '], says: /--conninfo is empty/ },
])('init refuses $title before it writes anything', async ({ name, more, says }) => {
  const place = join(home.folder, 'never');
  const words = ['init', name, '--conninfo', theConninfo(), '--home', place, ...more];
  const { exitCode, stdout, stderr } = await runPgcellar(words, { home, config: false });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(says);
  await expect(stat(place)).rejects.toThrow('ENOENT');
  await expect(stat(join(home.userHome, '.pgcellar.conf'))).rejects.toThrow('ENOENT');
});

test('init says which folder it cannot make', async () => {
  const { exitCode, stderr } = await init(theConninfo(), '--home', '/dev/null/x');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: cannot make the folder \/dev\/null\/x: ENOTDIR\nHINT: /);
});

test('init without a configuration writes one that Barman can read too, and its SQL and lines let us in', async () => {
  const { stdout, exitCode } = await init(theConninfo(), '--home', join(home.folder, 'first'));
  expect(exitCode).toBe(1); // the check's result
  expect(stdout).toContain('PostgreSQL: FAILED');
  const hba = block(stdout, 'At the top of its pg_hba.conf, and then  SELECT pg_reload_conf();');
  expect(hba.map((line) => line.split(/ +/))).toEqual([
    ['host', 'postgres', 'newcomer', '127.0.0.1/32', 'scram-sha-256'],
    ['host', 'replication', 'streaming_newcomer', '127.0.0.1/32', 'scram-sha-256'],
  ]);
  for (const line of block(stdout, 'As a superuser of the PostgreSQL server, in psql:')) await cluster.query(line);
  const file = join(cluster.dataDir, 'pg_hba.conf');
  const trusted = hba.map((line) => line.replace('scram-sha-256', 'trust'));
  await writeFile(file, `${trusted.join('\n')}\n${await readFile(file, 'utf8')}`);
  await cluster.query('SELECT pg_reload_conf()');
  const servers = await runPgcellar(['list-servers'], { home, config: false });
  expect(servers).toMatchObject({ exitCode: 0, stdout: 'main - PostgreSQL server main\n', stderr: '' });
  const text = (await readFile(join(home.userHome, '.pgcellar.conf'), 'utf8')).replace('[pgcellar]', '[barman]');
  await home.writeFile('read-by-barman.conf', text);
  const barman = await runOracle(['-c', join(home.folder, 'read-by-barman.conf'), 'list-servers', '--minimal'], {
    home,
    config: false,
  });
  expect(barman).toMatchObject({ exitCode: 0, stdout: 'main\n' });
  expect(await init(theConninfo())).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('is there already') as string,
  });
});

test('doctor shows every step and runs none unless it is told to', async () => {
  const { stdout, exitCode } = await runPgcellar(['doctor', 'main'], { home, config: false, postgres: 18, input: 'n\nq\n' });
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /replication slot: FAILED .*\n {2}cause: .*\n {2}run: pgcellar receive-wal --create-slot main\n {2}run it\?/,
  );
  expect(await cluster.query('SELECT 1 FROM pg_replication_slots')).toEqual([]);
  const json = await runPgcellar(['-f', 'json', 'doctor', 'main'], { home, config: false, postgres: 18, input: 'y\n' });
  const { main } = JSON.parse(json.stdout) as { main: { failed_checks: { check: string; steps: { kind: string }[] }[] } };
  expect(main.failed_checks.map(({ check }) => check)).toContain('receive-wal running');
  expect(await cluster.query('SELECT 1 FROM pg_replication_slots')).toEqual([]);
});

test('doctor on a yes creates the slot, starts the receiver and fetches the first segment', async () => {
  const answers = 'y\n'.repeat(20);
  const { stdout, exitCode, stderr } = await runPgcellar(['doctor', 'main'], {
    home,
    config: false,
    postgres: 18,
    input: answers,
  });
  expect(stdout + stderr).toContain('replication slot: repaired');
  expect(stdout + stderr).toMatch(/Server main: all \d+ checks pass/);
  expect(exitCode).toBe(0);
  await runWell(['backup', '--wait', 'main'], { home, config: false, postgres: 18 });
});

test('the remedies of check are on a terminal, and nowhere else', async () => {
  const options = { home, config: false, postgres: 18 } as const;
  await home.writeFile('user/.pgcellar.d/main.conf', await brokenServer());
  const onTerminal = await runPgcellar(['check', 'main'], { ...options, terminal: true });
  expect(onTerminal.stdout).toContain('cause: PostgreSQL has no replication slot missing');
  expect(onTerminal.stdout).toContain('run: pgcellar receive-wal --create-slot main');
  for (const words of [
    ['check', '--nagios', 'main'],
    ['-f', 'json', 'check', 'main'],
  ]) {
    expect((await runPgcellar(words, { ...options, terminal: true })).stdout).not.toContain('cause: ');
  }
  expect((await runPgcellar(['check', 'main'], { ...options, terminal: true, as: 'barman' })).stdout).not.toContain('cause: ');
  expect((await runPgcellar(['check', 'main'], options)).stdout).not.toContain('cause: ');
});

async function brokenServer(): Promise<string> {
  const text = await readFile(join(home.userHome, '.pgcellar.d', 'main.conf'), 'utf8');
  return text.replace(/^slot_name = .*$/m, 'slot_name = missing');
}

test('doctor --yes sets no password, changes no role over a connection that failed, and deletes nothing', async () => {
  await cluster.query("CREATE ROLE locked LOGIN REPLICATION PASSWORD 'right'");
  const hashOf = async (): Promise<string | null> =>
    await cluster.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'locked'");
  const before = await hashOf();
  const place = `host=127.0.0.1 port=${String(cluster.port)}`;
  await using site = await createTestHome({
    servers: {
      main: {
        description: 'asks for a password',
        conninfo: cluster.conninfo(),
        streaming_conninfo: `${place} user=locked`,
        backup_method: 'postgres',
        streaming_archiver: 'on',
      },
      other: { conninfo: `${place} user=locked dbname=postgres`, streaming_conninfo: `${place} user=locked`, archiver: 'on' },
    },
  });
  const failedBackup = backupOf('20200101T000000', { status: 'FAILED' });
  await storeBackups(serverFrom(site.configFile, 'main', site.env()), [failedBackup]);
  const { stdout } = await runPgcellar(['doctor', '--yes', 'main'], { home: site, postgres: 18 });
  expect(stdout).toMatch(/PostgreSQL streaming: FAILED .*\n {2}cause: the password of locked is missing or wrong/);
  expect(stdout).toContain("SQL, as a superuser: ALTER ROLE locked PASSWORD '…';\n");
  expect(stdout).toContain('run: pgcellar -c');
  expect(stdout).toContain('delete main 20200101T000000\n    | left to you: without --yes, doctor asks about it\n');
  expect(await hashOf()).toBe(before);
  expect(await runWell(['list-backups', '--minimal', 'main'], { home: site })).toBe('20200101T000000\n');
  const blind = await runPgcellar(['doctor', 'other'], { home: site, postgres: 18, input: 'n\n'.repeat(50) });
  expect(blind.stdout).toMatch(/SQL, as a superuser: ALTER ROLE .*\n {2}done by hand\?/);
  expect(blind.stdout).not.toMatch(/SQL, as a superuser: .*\n {2}run it\?/);
});
