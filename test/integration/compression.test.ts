// Real WAL through every compression and through gpg: what is stored opens with the standard program of that name, and comes back to
// the byte through get-wal and restore.
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn } from '../helpers/archived-wals.ts';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';

const filters = {
  custom_compression_filter: 'printf MINE; gzip -c',
  custom_decompression_filter: 'dd bs=1 count=4 2>/dev/null >&2; gzip -dc',
  custom_compression_magic: '0x4d494e45',
};
const encryption = { encryption: 'gpg', encryption_key_id: 'wal@example.org' };
/** How WAL is stored, what the index says, and the command that opens a stored file from standard input. */
const ways: readonly {
  readonly title: string;
  readonly options: IniSection;
  readonly columns: readonly string[];
  readonly opens: string | undefined;
}[] = [
  { title: 'gzip', options: { compression: 'gzip' }, columns: ['gzip'], opens: 'gzip -dc' },
  { title: 'pigz', options: { compression: 'pigz' }, columns: ['gzip'], opens: 'gzip -dc' },
  { title: 'bzip2', options: { compression: 'bzip2' }, columns: ['bzip2'], opens: 'bzip2 -dc' },
  { title: 'xz', options: { compression: 'xz', compression_level: 'low' }, columns: ['xz'], opens: 'xz -dc' },
  { title: 'zstd', options: { compression: 'zstd' }, columns: ['zstd'], opens: 'zstd -dc' },
  { title: 'lz4', options: { compression: 'lz4' }, columns: ['lz4'], opens: 'lz4 -dc' },
  { title: 'snappy', options: { compression: 'snappy' }, columns: ['snappy'], opens: undefined },
  { title: 'custom', options: { compression: 'custom', ...filters }, columns: ['custom'], opens: 'tail -c +5 | gzip -dc' },
  { title: 'gpg', options: encryption, columns: ['None', 'gpg'], opens: 'GPG' },
  { title: 'zstd in gpg', options: { compression: 'zstd', ...encryption }, columns: ['zstd', 'gpg'], opens: 'GPG | zstd -dc' },
];

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let ring: GpgHome;
    /** Holds copies of the WAL of the cluster. */
    let source: string;
    const digests = new Map<string, string>();

    beforeAll(async () => {
      ring = await opened.add(createGpgHome());
      cluster = await opened.add(startCluster({ major, settings: { wal_keep_size: '1GB' } }));
      await cluster.query(
        'CREATE TABLE load AS SELECT id, md5(id::text) AS words, random() AS number FROM generate_series(1, 700000) id',
      );
      await cluster.query('CREATE INDEX ON load (words)');
      await cluster.query('SELECT pg_switch_wal()');
      const [{ name } = { name: '' }] = await cluster.query<{ name: string }>(
        'SELECT pg_walfile_name(pg_current_wal_lsn()) AS name',
      );
      source = (await opened.add(createTemporaryFolder('wal'))).path;
      const pgWal = join(cluster.dataDir, 'pg_wal');
      const names = (await readdir(pgWal)).filter((file) => /^[0-9A-F]{24}$/.test(file) && file < name).toSorted();
      for (const file of names) {
        await copyFile(join(pgWal, file), join(source, file));
        digests.set(file, digestOf(await readFile(join(source, file))));
      }
      expect(digests.size).toBeGreaterThanOrEqual(6);
    });
    afterAll(() => opened.close());

    const env = (): NodeJS.ProcessEnv => ({ GNUPGHOME: ring.path });

    function serverWith(options: IniSection): IniSection {
      const passphrase = { encryption_passphrase_command: `cat ${ring.passphraseFile}` };
      return streamingServer(cluster, { streaming_archiver: 'off', archiver: 'on', ...options, ...passphrase });
    }

    async function arrive(home: TestHome): Promise<void> {
      await mkdir(home.server('main', 'incoming'), { recursive: true });
      for (const name of digests.keys()) await copyFile(join(source, name), home.server('main', 'incoming', name));
    }

    async function openStored(home: TestHome, name: string, command: string): Promise<string> {
      const gpg = `gpg --batch --pinentry-mode loopback --passphrase-file ${ring.passphraseFile} --decrypt`;
      const stored = home.server('main', 'wals', name.slice(0, 16), name);
      const line = `(${command.replace('GPG', gpg)}) < ${stored} | sha256sum`;
      const { stdout } = await runProgram(['sh', '-c', line], { env: { ...home.env(), ...env() } });
      return stdout.slice(0, 64);
    }

    describe.each(ways)('WAL stored with $title', ({ options, columns, opens }) => {
      test('opens with the standard program and comes back to the byte', async () => {
        await using home = await createTestHome({ servers: { main: serverWith(options) } });
        await arrive(home);
        await runWell(['archive-wal', 'main'], { home, env: env() });
        const names = [...digests.keys()];
        expect(await indexedWals(home)).toEqual(names);
        expect(await archivedWals(home)).toEqual(names);
        expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
        const index = await readFile(home.server('main', 'wals', 'main-xlog.db'), 'utf8');
        for (const line of index.trimEnd().split('\n')) expect(line.split('\t').slice(3)).toEqual(columns);
        const target = await home.makeFolder('out');
        for (const [name, digest] of digests) {
          if (opens !== undefined) expect(await openStored(home, name, opens)).toBe(digest);
          await runWell(['get-wal', '-o', target, 'main', name], { home, env: env() });
          expect(digestOf(await readFile(join(target, name)))).toBe(digest);
        }
      });
    });

    test('encrypted WAL is restored with the passphrase and refused without it, and the passphrase is in no log', async () => {
      const inner = new Opened();
      try {
        const plain = streamingServer(cluster, { immediate_checkpoint: true });
        const sealed = { ...plain, compression: 'snappy', ...encryption };
        const command = `cat ${ring.passphraseFile}`;
        const home = await inner.add(createTestHome({ servers: { main: plain }, global: { log_level: 'DEBUG' } }));
        await startReceiver(home, cluster);
        await runWell(['switch-wal', '--archive', 'main'], { home });
        await runWell(['backup', '--wait', 'main'], { home });
        await home.writeServer('main', sealed);
        await cluster.query('CREATE TABLE sealed AS SELECT generate_series(1, 1000) AS id');
        await runWell(['switch-wal', '--archive', 'main'], { home, env: env() });
        const index = await readFile(home.server('main', 'wals', 'main-xlog.db'), 'utf8');
        expect(index.trimEnd().split('\n').at(-1)?.split('\t').slice(3)).toEqual(['snappy', 'gpg']);

        const dataDir = join((await inner.add(createTemporaryFolder('rs', { owner: 'server' }))).path, 'data');
        const restore = ['restore', 'main', 'latest', dataDir];
        const refused = await runPgcellar(restore, { home, env: env() });
        expect(refused).toMatchObject({ exitCode: 1 });
        expect(refused.stderr).toContain('no encryption_passphrase_command');
        expect(await namesIn(dataDir)).toEqual([]);

        await home.writeServer('main', { ...sealed, encryption_passphrase_command: command });
        await runWell(restore, { home, env: env() });
        const restored = await inner.add(startRestored({ dataDir, major }));
        expect(Number(await restored.value('SELECT count(*) FROM sealed'))).toBe(1000);

        const backup = await runPgcellar(['backup', 'main'], { home, env: env() });
        expect(backup.exitCode).toBe(1);
        expect(await home.log()).not.toContain(ring.passphrase);
      } finally {
        await inner.close();
      }
    });
  },
  [15],
);
