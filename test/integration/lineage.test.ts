// Windows, holes and the last moment that recovery gets to, over a promotion, for archives whose history files are compressed by a filter of the
// server's own, or encrypted.
import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const kinds = ['plain', 'packed', 'sealed'] as const;

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let gpg: GpgHome;
    let env: NodeJS.ProcessEnv;
    /** Between the last transaction and the moment at which its WAL was archived. */
    let idleTime: string;
    let secondTimeline: readonly string[];

    const run = async (words: readonly string[]) => await runWell(words, { home, env });

    const switchWal = async (): Promise<string> => {
      const name = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
      await waitFor('the segment is archived', async () => {
        return (await cluster.value(`SELECT last_archived_wal >= '${name}' FROM pg_stat_archiver`)) === 'true';
      });
      return name;
    };

    beforeAll(async () => {
      cluster = await opened.add(
        startCluster({ major, settings: { archive_mode: 'on', archive_command: 'false', autovacuum: 'off' } }),
      );
      gpg = await opened.add(createGpgHome());
      env = { GNUPGHOME: gpg.path, TZ: 'UTC' };
      const always: IniSection = {
        conninfo: cluster.conninfo({ user: 'barman' }),
        streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
        path_prefix: cluster.clientsDir,
        backup_method: 'postgres',
        archiver: true,
        immediate_checkpoint: true,
      };
      home = await opened.add(
        createTestHome({
          servers: {
            plain: always,
            packed: {
              ...always,
              compression: 'custom',
              custom_compression_filter: 'base64 -w 0',
              custom_decompression_filter: 'base64 -d',
            },
            sealed: {
              ...always,
              encryption: 'gpg',
              encryption_key_id: gpg.keyId,
              encryption_passphrase_command: `cat ${gpg.passphraseFile}`,
              // tar files are what encryption takes
              backup_compression: 'none',
              backup_compression_format: 'tar',
            },
          },
        }),
      );
      for (const kind of kinds) await runPgcellar(['check', kind], { home, env });
      const copies = kinds.map(
        (kind) =>
          `cp %p ${home.server(kind, 'incoming')}/%f.tmp && mv ${home.server(kind, 'incoming')}/%f.tmp ${home.server(kind, 'incoming')}/%f`,
      );
      // the server copies into folders that belong to us
      for (const path of [home.folder, home.path, ...kinds.map((kind) => home.server(kind))]) await chmod(path, 0o755);
      for (const kind of kinds) await chmod(home.server(kind, 'incoming'), 0o777);
      await cluster.query(`ALTER SYSTEM SET archive_command = '${copies.join(' && ')}'`);
      cluster.reload();
      await cluster.query('CREATE TABLE told (number int)');
      await switchWal();
      for (const kind of kinds) await run(['backup', '--wait', kind]);
      await cluster.query('INSERT INTO told VALUES (1)');
      await switchWal();
      await cluster.stop();
      await writeFile(join(cluster.dataDir, 'standby.signal'), '');
      await cluster.start();
      await cluster.query('SELECT pg_promote()');
      await waitFor('it is promoted', async () => (await cluster.value('SELECT pg_is_in_recovery()')) === 'false');
      await cluster.query('INSERT INTO told VALUES (2)');
      const first = await switchWal();
      await cluster.query('INSERT INTO told VALUES (3)');
      const second = await switchWal();
      await cluster.query('INSERT INTO told VALUES (4)');
      await delay(1500);
      idleTime = await cluster.value('SELECT clock_timestamp()::timestamptz(0)::text');
      await delay(1500);
      secondTimeline = [first, second, await switchWal()];
      for (const kind of kinds) await run(['archive-wal', kind]);
    });
    afterAll(() => opened.close());

    describe.each(kinds)('an archive that is %s', (kind) => {
      const statusOf = async (): Promise<string> => await run(['status', kind]);
      const checkOf = async (): Promise<string> => (await runPgcellar(['check', kind], { home, env })).stdout;

      test('is whole over the promotion, up to the newest timeline', async () => {
        expect(await statusOf()).toContain(`(last WAL ${secondTimeline.at(-1) ?? ''})`);
        expect(await statusOf()).toContain('WAL holes: none');
        expect(await checkOf()).not.toContain('WAL continuity');
      });

      test('is recoverable to the last transaction, and not to when its WAL came', async () => {
        const [, shown = ''] = /Recoverable to: (\S+ \S+) /.exec(await statusOf()) ?? [];
        expect(Date.parse(shown)).toBeLessThan(Date.parse(idleTime));
        const words = [
          'restore',
          '--dry-run',
          '--target-time',
          `${idleTime.slice(0, 19)}+00`,
          kind,
          'latest',
          join(home.folder, 'never'),
        ];
        const late = await runPgcellar(words, { home, env });
        expect(late.exitCode).toBe(1);
        expect(late.stderr).toMatch(/the last transaction in the WAL ended at .* not after the requested target time/);
        const early = await runPgcellar([...words.slice(0, 3), shown.replace(/\.\d+/, ''), ...words.slice(4)], { home, env });
        expect({ exitCode: early.exitCode, stderr: early.stderr }).toMatchObject({ exitCode: 0 });
      });

      test('tells of a segment that is lost on the newer timeline', async () => {
        const [, lost = ''] = secondTimeline;
        const path = home.server(kind, 'wals', lost.slice(0, 16), lost);
        await rename(path, `${home.folder}/aside`);
        await run(['rebuild-xlogdb', kind]);
        expect(await statusOf()).toContain(`WAL ${lost} missing (1 segment)`);
        expect(await statusOf()).toContain(`(last WAL ${secondTimeline[0] ?? ''})`);
        expect(await checkOf()).toContain(`WAL continuity: FAILED (WAL ${lost} missing (1 segment)`);
        await rename(`${home.folder}/aside`, path);
        await run(['rebuild-xlogdb', kind]);
        expect(await statusOf()).toContain('WAL holes: none');
      });
    });

    test('a host without the passphrase knows the histories that it archived itself', async () => {
      const [, lost = ''] = secondTimeline;
      const path = home.server('sealed', 'wals', lost.slice(0, 16), lost);
      const withoutKey = { home, env: { ...env, GNUPGHOME: join(home.folder, 'nowhere') } };
      await rename(path, `${home.folder}/aside`);
      await run(['rebuild-xlogdb', 'sealed']);
      expect((await runPgcellar(['status', 'sealed'], withoutKey)).stdout).toContain(`WAL ${lost} missing (1 segment)`);
      await rename(`${home.folder}/aside`, path);
      await run(['rebuild-xlogdb', 'sealed']);
    });

    test('a history that cannot be read for want of a passphrase is named', async () => {
      await rm(home.server('sealed', '.pgcellar', 'histories.json'));
      const { stdout } = await runPgcellar(['status', 'sealed'], {
        home,
        env: { ...env, GNUPGHOME: join(home.folder, 'nowhere') },
      });
      expect(stdout).toContain('History of timeline 2: cannot be read');
    });

    test('a restore reaches the point that status calls recoverable', async () => {
      const [, shown = ''] = /Recoverable to: (\S+ \S+) /.exec(await run(['status', 'plain'])) ?? [];
      const justBefore = new Date(Date.parse(shown) - 1).toISOString();
      const data = join(home.folder, 'restored');
      await run(['restore', '--target-time', justBefore, 'plain', 'latest', data]);
      await using restored = await startRestored({ dataDir: data, major, wait: 'paused' });
      expect(await restored.value("SELECT string_agg(number::text, ',' ORDER BY number) FROM told")).toBe('1,2,3');
    });
  },
  [18],
);
