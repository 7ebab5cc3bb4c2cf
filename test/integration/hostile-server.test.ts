// A PostgreSQL server in other hands that speaks its protocol well: what it streams, and what it answers to questions. Nothing outside of the backup is
// touched where the kernel can forbid it, and what it did is told.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { type Meddler, rowOf, serverMessage, startMeddler, valuesOf } from '../helpers/start-meddler.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';

type Member = Partial<Header> & { readonly name: string } & { readonly content?: string };

/** Members of a tar file without its end. */
async function tarOf(members: readonly Member[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = '', ...header } of members) archive.entry({ mode: 0o600, size: content.length, ...header }, content);
  archive.finalize();
  return (await buffer(archive)).subarray(0, -1024);
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let meddler: Meddler;
    let home: TestHome;
    let isConfined: boolean;

    beforeAll(async () => {
      const help = await runProgram(['setpriv', '--help']);
      isConfined = help.stdout.includes('landlock');
      cluster = await opened.add(startCluster({ major }));
      meddler = await opened.add(startMeddler(cluster));
      home = await opened.add(createTestHome());
      await configure();
      await startReceiver(home, cluster);
    });
    afterAll(() => opened.close());

    async function configure(more: IniSection = {}): Promise<void> {
      const through = (user: string): string => cluster.conninfo({ user }).replace(/port=\d+/, `port=${String(meddler.port)}`);
      await home.writeServer(
        'main',
        streamingServer(cluster, {
          conninfo: through('barman'),
          streaming_conninfo: through('streaming_barman'),
          immediate_checkpoint: true,
          ...more,
        }),
      );
    }

    /** The next base backup begins with these members, before those of the server. */
    async function prepend(members: readonly Member[]): Promise<void> {
      const tar = await tarOf(members);
      let isDone = false;
      meddler.meddle(({ type, body, sql }) => {
        if (isDone || type !== 'd' || !sql.startsWith('BASE_BACKUP')) return undefined;
        if (major >= 15 && body.toString('latin1', 0, 1) !== 'd') return undefined;
        isDone = true;
        const more = major >= 15 ? Buffer.concat([Buffer.from('d'), tar]) : tar;
        return Buffer.concat([serverMessage('d', more), serverMessage('d', body)]);
      });
    }

    async function backUp(): Promise<{ readonly text: string; readonly exitCode: number | undefined }> {
      const { exitCode, stdout, stderr } = await runPgcellar(['backup', 'main'], { home });
      expect(stderr).not.toContain('EXCEPTION');
      return { text: `${stdout}${stderr}`, exitCode };
    }

    async function newestStatus(): Promise<string | undefined> {
      const listed = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
        main: readonly { status: string }[];
      };
      return listed.main[0]?.status;
    }

    const escaped = async (): Promise<string[]> => (await readdir(home.folder)).filter((name) => name.startsWith('ESCAPED'));

    test('that sends a link and a file behind it is refused', async () => {
      await prepend([
        { name: 'way', type: 'symlink', linkname: home.folder },
        { name: 'way/ESCAPED', content: 'x' },
      ]);
      const { text, exitCode } = await backUp();
      expect(exitCode).toBe(1);
      expect(text).toMatch(
        isConfined ? /Permission denied/ : /the server sent "way", a link to .*, which PostgreSQL never does/,
      );
      expect(await newestStatus()).toBe('FAILED');
      if (isConfined) expect(await escaped()).toEqual([]);
    });

    test('that sends a link where the manifest is written is refused', async () => {
      await prepend([{ name: 'backup_manifest.tmp', type: 'symlink', linkname: join(home.folder, 'ESCAPED-manifest') }]);
      const { exitCode } = await backUp();
      expect(exitCode).toBe(1);
      expect(await newestStatus()).toBe('FAILED');
      if (isConfined) expect(await escaped()).toEqual([]);
    });

    test('that sends a link that nobody writes behind is refused, too', async () => {
      await prepend([
        { name: 'later', type: 'directory', mode: 0o700 },
        { name: 'later/way', type: 'symlink', linkname: home.folder },
      ]);
      const { text, exitCode } = await backUp();
      expect(exitCode).toBe(1);
      expect(text).toContain('the server sent "later/way", a link to');
    });

    const noEnd = { lsn: 'FFFFFFF0/FFFFFFFF', wal: '00000001FFFFFFF0000000FF' };
    const beforeBegin = { lsn: '0/1000028', wal: '000000010000000000000001' };
    test.each([
      {
        what: 'no backup can have',
        end: noEnd,
        says: 'the server returned impossible facts about the backup',
        method: 'postgres',
      },
      {
        what: 'no backup can have',
        end: noEnd,
        says: 'the server returned impossible facts about the backup',
        method: 'local-rsync',
      },
      {
        what: 'is before its begin',
        end: beforeBegin,
        says: 'the backup ends at 0/1000028, before it begins',
        method: 'postgres',
      },
      {
        what: 'is before its begin',
        end: beforeBegin,
        says: 'the backup ends at 0/1000028, before it begins',
        method: 'local-rsync',
      },
    ])('that tells an end which $what makes a backup FAILED, and its record can be read: $method', async (how) => {
      await configure({ backup_method: how.method, backup_options: 'concurrent_backup' });
      let asked = 0;
      meddler.meddle(({ type, body, sql }) => {
        if (type !== 'D' || !/pg_walfile_name_offset|pg_backup_stop/.test(sql)) return undefined;
        if (sql.includes('pg_walfile_name_offset') && ++asked === 1) return undefined;
        return rowOf(
          valuesOf(body).map((value) =>
            /^[0-9A-F]+\/[0-9A-F]+$/.test(value ?? '')
              ? how.end.lsn
              : (value ?? '').replace(/^0{7}1[0-9A-F]{16}$/, how.end.wal),
          ),
        );
      });
      const { text, exitCode } = await backUp();
      expect(exitCode).toBe(1);
      expect(text).toContain(how.says);
      expect(await newestStatus()).toBe('FAILED');
      await configure();
    });

    test('that tells no version has no backup that hangs, nor is it left in backup mode', async () => {
      await configure({ backup_method: 'local-rsync', backup_options: 'concurrent_backup' });
      let isBegun = false;
      meddler.meddle(({ type, sql }) => {
        if (sql.includes('pg_backup_start')) isBegun = true;
        return type === 'D' && sql.includes("current_setting('server_version_num')")
          ? rowOf(['9'.repeat(20), 'PostgreSQL 99'])
          : undefined;
      });
      const { text, exitCode } = await backUp();
      expect(text).toContain('version cannot be read');
      expect(exitCode).toBe(1);
      expect(isBegun).toBe(true);
      await configure();
    });

    test('that has segments of no size is told of in a line', async () => {
      meddler.meddle(({ type, sql }) => (type === 'D' && sql.includes('wal_block_size') ? rowOf(['x']) : undefined));
      const { text, exitCode } = await backUp();
      expect(text).toContain('WAL segments of NaN bytes, which is impossible');
      expect(exitCode).toBe(1);
    });

    test('that speaks without end is cut short', async () => {
      const error = Buffer.from(`SERROR\0VERROR\0CXX000\0Mlong ${'x'.repeat(3_000_000)}\0\0`);
      meddler.meddle(({ type, sql }) => (type === 'D' && sql.includes('usesuper') ? serverMessage('E', error) : undefined));
      const { stdout } = await runPgcellar(['check', 'main'], { home });
      expect(stdout).toContain('FAILED (PostgreSQL refused a query: long xxx');
      expect(stdout.length).toBeLessThan(10_000);
      const huge = Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff]);
      meddler.meddle(({ type, sql }) => (type === 'D' && sql.includes('usesuper') ? huge : undefined));
      expect((await runPgcellar(['check', 'main'], { home })).stdout).toContain('it announces a message of 2.0 GiB');
    });

    test('that behaves is backed up', async () => {
      meddler.meddle(undefined);
      const { exitCode } = await backUp();
      expect(exitCode).toBe(0);
    });
  },
  [18],
);
