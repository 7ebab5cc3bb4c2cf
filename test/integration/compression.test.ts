// Real WAL through every compression and through gpg: what is stored opens with the standard program of that name, and comes back to
// the byte through get-wal and restore.
import { createHash } from 'node:crypto';
import { copyFile, link, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forEachConcurrently } from '../../src/shared/for-each-concurrently.ts';
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
import { writePgbenchWal } from '../helpers/write-pgbench-wal.ts';

const filters = {
  custom_compression_filter: 'printf MINE; gzip -1c',
  custom_decompression_filter: 'dd bs=1 count=4 2>/dev/null >&2; gzip -dc',
  custom_compression_magic: '0x4d494e45',
};
const snappyOpener = fileURLToPath(new URL('../helpers/open-snappy.py', import.meta.url));
const encryption = { encryption: 'gpg', encryption_key_id: 'wal@example.org' };
/** How WAL is stored, what the index says, and the command that opens a stored file from standard input. */
const ways: readonly Way[] = [
  { title: 'gzip', options: { compression: 'gzip' }, columns: ['gzip'], opens: 'gzip -dc' },
  { title: 'pigz', options: { compression: 'pigz' }, columns: ['gzip'], opens: 'pigz -dc' },
  { title: 'pygzip', isShort: true, options: { compression: 'pygzip' }, columns: ['gzip'], opens: 'gzip -dc' },
  { title: 'bzip2', options: { compression: 'bzip2' }, columns: ['bzip2'], opens: 'bzip2 -dc' },
  { title: 'pybzip2', isShort: true, options: { compression: 'pybzip2' }, columns: ['bzip2'], opens: 'bzip2 -dc' },
  { title: 'xz', options: { compression: 'xz' }, columns: ['xz'], opens: 'xz -dc' },
  { title: 'zstd', options: { compression: 'zstd' }, columns: ['zstd'], opens: 'zstd -dc' },
  { title: 'lz4', options: { compression: 'lz4' }, columns: ['lz4'], opens: 'lz4 -dc' },
  { title: 'snappy', options: { compression: 'snappy' }, columns: ['snappy'], opens: `/usr/bin/python3 ${snappyOpener}` },
  { title: 'custom', options: { compression: 'custom', ...filters }, columns: ['custom'], opens: 'tail -c +5 | gzip -dc' },
  { title: 'gpg', isShort: true, options: encryption, columns: ['None', 'gpg'], opens: 'GPG' },
  {
    title: 'zstd in gpg',
    isShort: true,
    options: { compression: 'zstd', ...encryption },
    columns: ['zstd', 'gpg'],
    opens: 'GPG | zstd -dc',
  },
];

interface Way {
  readonly title: string;
  /** What was compressed before, under another name or with something around it: a part of the WAL will do. */
  readonly isShort?: boolean;
  readonly options: IniSection;
  readonly columns: readonly string[];
  readonly opens: string;
}

/** Of 16 MiB: 300 MB. */
const segmentCount = 18;
const shortCount = 4;

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
      cluster = await opened.add(startCluster({ major, settings: { wal_keep_size: '1GB', max_wal_size: '64MB' } }));
      source = (await opened.add(createTemporaryFolder('wal'))).path;
      for (const path of await writePgbenchWal(cluster, segmentCount, 5)) {
        const file = basename(path);
        await copyFile(path, join(source, file));
        digests.set(file, digestOf(await readFile(join(source, file))));
      }
    });
    afterAll(() => opened.close());

    const env = (): NodeJS.ProcessEnv => ({ GNUPGHOME: ring.path });

    function serverWith(options: IniSection): IniSection {
      const passphrase = { encryption_passphrase_command: `cat ${ring.passphraseFile}` };
      return streamingServer(cluster, { streaming_archiver: 'off', archiver: 'on', ...options, ...passphrase });
    }

    /** As links: what arrives is never written to. */
    async function arrive(home: TestHome, names: readonly string[]): Promise<void> {
      const incoming = await home.makeFolder('home/main/incoming');
      for (const name of names) await link(join(source, name), join(incoming, name));
    }

    /** Digest of what a command makes of a stored file. */
    async function openStored(home: TestHome, name: string, command: string): Promise<string> {
      const gpg = `gpg --batch --pinentry-mode loopback --passphrase-file ${ring.passphraseFile} --decrypt`;
      const stored = home.server('main', 'wals', name.slice(0, 16), name);
      const line = `(${command.replace('GPG', gpg)}) < ${stored} | sha256sum`;
      const { stdout } = await runProgram(['sh', '-c', line], { env: { ...home.env(), ...env() } });
      return stdout.slice(0, 64);
    }

    test.each(ways)(
      'WAL of pgbench stored with $title opens with the standard program and comes back to the byte',
      async (way) => {
        const { isShort = false, options, columns, opens } = way;
        const expected = [...digests].slice(0, isShort ? shortCount : segmentCount);
        const names = expected.map(([name]) => name);
        await using home = await createTestHome({ servers: { main: serverWith({ compression_level: 'low', ...options }) } });
        await arrive(home, names);
        await runWell(['archive-wal', 'main'], { home, env: env() });
        expect(await indexedWals(home)).toEqual(names);
        expect(await archivedWals(home)).toEqual(names);
        expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
        const index = await readFile(home.server('main', 'wals', 'main-xlog.db'), 'utf8');
        for (const line of index.trimEnd().split('\n')) expect(line.split('\t').slice(3)).toEqual(columns);
        const target = await home.makeFolder('out');
        const [byProgram, byGetWal] = [new Map<string, string>(), new Map<string, string>()];
        await forEachConcurrently(names, 2, async (name) => {
          byProgram.set(name, await openStored(home, name, opens));
          await runWell(['get-wal', '-o', target, 'main', name], { home, env: env() });
          byGetWal.set(name, digestOf(await readFile(join(target, name))));
          await rm(join(target, name));
        });
        for (const found of [byProgram, byGetWal]) expect([...found].toSorted()).toEqual(expected);
      },
    );

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
