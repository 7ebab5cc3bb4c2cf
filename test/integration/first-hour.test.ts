// `init --yes`: one command from a bare PostgreSQL server to a backup that was proven.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
      home = await opened.add(createTestHome({ owner: 'server' }));
    });
    afterAll(() => opened.close());

    const place = (): string => `host=127.0.0.1 port=${String(cluster.port)}`;
    const init = async (...words: readonly string[]): Promise<ProgramResult> =>
      await runPgcellar(['init', ...words], { home, config: false, postgres: major });

    test('shows the SQL, makes the roles, starts the receiver, and ends with a backup that was restored and started', async () => {
      const { stdout, stderr, exitCode } = await init(
        '--yes',
        'main',
        ...['--conninfo', `${place()} user=first_hour dbname=postgres`],
        ...['--superuser', `${place()} user=postgres dbname=postgres`],
        ...['--home', join(home.folder, 'hour')],
      );
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout).toMatch(/^As a superuser of the PostgreSQL server:\n {4}DO .*CREATE ROLE first_hour LOGIN; END IF/);
      expect(stdout).toContain('CREATE ROLE streaming_first_hour LOGIN REPLICATION');
      expect(stdout).toContain('WAL comes by streaming');
      expect(stdout).toMatch(/\nProven: the backup of main took .* replayed WAL up to [\dA-F]+\/[\dA-F]+ within /);
      expect(await cluster.value("SELECT count(*)::text FROM pg_roles WHERE rolname LIKE '%first_hour'")).toBe('2');
      expect((await readdir(join(home.folder, 'hour'))).filter((name) => name.includes('drill'))).toEqual([]);
      expect((await runPgcellar(['list-backups', 'main', '--minimal'], { home, config: false })).stdout).toMatch(
        /^\d{8}T\d{6}\n$/,
      );
    });

    const run = async (line: string): Promise<ProgramResult> => {
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      return await runPgcellar(words.slice(1), { home, config: false, postgres: major });
    };

    test('the commands of docs/first-server.md that follow say what was done', async () => {
      const lines = (await commandsOf('first-server.md')).slice(0, 4);
      expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
        'apt install',
        'pgcellar init',
        'pgcellar list-backups',
        'pgcellar status',
      ]);
      expect((await run(lines[2] ?? '')).stdout).toMatch(/^main: 1 backup\nBACKUP +KIND .*\n\d{8}T\d{6} +full /);
      expect((await run(lines[3] ?? '')).stdout).toMatch(
        /Can I restore\? +yes: 1 of them.*\n.*To when\? +.*\n.*nothing\n.*nothing\n$/s,
      );
    });

    test('the commands of docs/first-restore.md bring a dropped table back', async () => {
      await cluster.query('CREATE TABLE dropped AS SELECT generate_series(1, 10) AS id');
      const moment = await cluster.value('SELECT clock_timestamp()::text');
      await cluster.query('DROP TABLE dropped');
      await run('pgcellar switch-wal --archive main');
      const places = await home.makeFolder('restored');
      for (const line of await commandsOf('first-restore.md')) {
        const here = line.replace(/'2026[^']*'/, `'${moment}'`).replace('/var/lib/postgresql', places);
        const result = await run(here);
        expect({ here, exitCode: result.exitCode, stderr: result.stderr }).toEqual({ here, exitCode: 0, stderr: '' });
        const pid = /kill -INT (\d+)/.exec(result.stdout)?.[1];
        if (pid === undefined) continue;
        const [, socket, port] = /psql -h (\S+) -p (\d+)/.exec(result.stdout) ?? [];
        const ask = async (sql: string): Promise<string> => {
          const there = ['-h', socket ?? '', '-p', port ?? '', '-U', 'postgres', 'postgres'];
          return (await runProgram([join(cluster.clientsDir, 'psql'), '-XAtqc', sql, ...there])).stdout;
        };
        // the transaction that dropped the table has its lock already, and ends with recovery
        expect(await ask('SELECT pg_wal_replay_resume() IS NOT NULL')).toBe('t\n');
        await waitFor('recovery has ended', async () => (await ask('SELECT pg_is_in_recovery()')) === 'f\n');
        expect(await ask('SELECT count(*) FROM dropped')).toBe('10\n');
        process.kill(Number(pid), 'SIGINT');
      }
    });

    test('the commands of docs/first-failure.md find that the receiver has stopped, and start it', async () => {
      await run('pgcellar terminate-process main receive-wal');
      const lines = await commandsOf('first-failure.md');
      const results: ProgramResult[] = [];
      for (const line of lines) results.push(await run(line));
      expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 1, 0, 0]);
      expect(results[0]?.stdout).toContain('receive-wal running (');
      expect(results[0]?.stdout).toContain('pgcellar doctor main');
    });

    test('goes on where it was left when it is run again', async () => {
      const { stdout, exitCode } = await init('--yes', 'main', '--conninfo', `${place()} user=first_hour dbname=postgres`);
      expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Proven: ') as string });
    });

    test('a backup whose server does not start is not proven, and the reason is told', async () => {
      await cluster.query("ALTER SYSTEM SET shared_preload_libraries = 'no_such_library'");
      const { exitCode, stdout, stderr } = await init(
        '--yes',
        'main',
        '--conninfo',
        `${place()} user=first_hour dbname=postgres`,
      );
      await cluster.query('ALTER SYSTEM RESET shared_preload_libraries');
      expect(exitCode).toBe(1);
      expect(stdout).not.toContain('Proven');
      expect(stderr).toMatch(/^ERROR: the restored server did not reach its target: .*could not access file "no_such_library"/);
      await runPgcellar(['terminate-process', 'main', 'receive-wal'], { home, config: false });
    });

    test('without a way to a superuser it ends with what is missing, and the command that goes on', async () => {
      const { stdout, exitCode } = await init('--yes', 'other', '--conninfo', `${place()} user=nobody_there dbname=postgres`);
      expect(exitCode).toBe(1);
      expect(stdout).toMatch(/SQL, as a superuser: .*CREATE ROLE nobody_there/);
      expect(stdout).toMatch(/\nNext: pgcellar doctor other, then pgcellar init --yes other goes on\n$/);
    });
  },
  [15],
);

/** The lines of the blocks of commands of a page. */
async function commandsOf(page: string): Promise<readonly string[]> {
  const text = await readFile(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'));
}
