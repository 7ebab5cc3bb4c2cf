// `init --yes`: one command from a bare PostgreSQL server to a backup that was proven.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

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

    test('goes on where it was left when it is run again', async () => {
      const { stdout, exitCode } = await init('--yes', 'main', '--conninfo', `${place()} user=first_hour dbname=postgres`);
      expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Proven: ') as string });
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
