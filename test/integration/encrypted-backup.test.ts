// Backups that are encrypted with gpg, as Barman 3.14 and newer lay them out: the oracle here is too old for them, so gpg and tar are.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeScript } from '../unit/transport/scripts.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let ring: GpgHome;
    let env: Record<string, string>;

    beforeAll(async () => {
      ring = await opened.add(createGpgHome());
      env = { GNUPGHOME: ring.path };
      cluster = await opened.add(startCluster({ major }));
      const place = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
      await cluster.query(`CREATE TABLESPACE far LOCATION '${place.path}'`);
      await cluster.query('CREATE TABLE there TABLESPACE far AS SELECT generate_series(1, 1000) AS i');
      home = await opened.add(createTestHome());
      await configure();
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home, env });
    });
    afterAll(async () => opened.close());

    const configure = async (more: IniSection = {}): Promise<void> => {
      await home.writeServer(
        'main',
        streamingServer(cluster, {
          immediate_checkpoint: true,
          backup_compression: 'gzip',
          backup_compression_format: 'tar',
          encryption: 'gpg',
          encryption_key_id: ring.keyId,
          encryption_passphrase_command: `cat ${ring.passphraseFile}`,
          ...more,
        }),
      );
    };
    const newest = async (): Promise<string> =>
      (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    const recordOf = async (id: string): Promise<string> =>
      await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');

    test('every tar file is encrypted, the manifest is not, and the record says so', async () => {
      await runWell(['backup', '--wait', 'main'], { home, env });
      const id = await newest();
      const data = home.server('main', 'base', id, 'data');
      const oid = await cluster.value("SELECT oid FROM pg_tablespace WHERE spcname = 'far'");
      expect((await readdir(data)).toSorted()).toEqual(['backup_manifest', `${oid}.tar.gz.gpg`, 'base.tar.gz.gpg'].toSorted());
      const record = await recordOf(id);
      for (const line of ['encryption=gpg', 'compression=gzip', 'status=DONE']) expect(record).toContain(`\n${line}\n`);
      expect(await runWell(['show-backup', 'main', id], { home })).toMatch(/Encryption +: gpg/);
    });

    test('gpg and tar open what was stored', async () => {
      const data = home.server('main', 'base', await newest(), 'data');
      for (const name of (await readdir(data)).filter((file) => file.endsWith('.gpg'))) {
        const clear = join(await home.makeFolder('clear'), name.replace(/\.gpg$/, ''));
        await ring.gpg(['--output', clear, '--decrypt', join(data, name)]);
        const { exitCode, stdout } = await runProgram(['tar', '-tzf', clear], { env: { PATH: '/usr/bin:/bin' } });
        expect(exitCode).toBe(0);
        expect(stdout).toMatch(name.startsWith('base') ? /^backup_label\n/ : /PG_\d+_\d+\//);
      }
    });

    test('an encrypted backup is not verified', async () => {
      const { exitCode, stdout, stderr } = await runPgcellar(['verify-backup', 'main', 'latest'], { home, env });
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "Verifying backup 'latest' on server ['main']\n" });
      expect(stderr).toMatch(/is encrypted/);
    });

    test('neither the passphrase nor its command stands in the log', async () => {
      const log = await home.log();
      expect(log).not.toContain(ring.passphrase);
      expect(log).not.toContain(ring.passphraseFile);
    });

    test('a key that cannot be used keeps the backup from starting', async () => {
      await configure({ encryption_key_id: 'nobody@example.org' });
      const before = await newest();
      const { exitCode, stderr } = await runPgcellar(['backup', 'main'], { home, env });
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/encryption/) as string });
      expect(await newest()).toBe(before);
      await configure();
    });

    test('when gpg fails, the record says why, and nothing clear is left', async () => {
      const folder = await home.makeFolder('failing');
      // the check encrypts a small file, which works; the backup does not
      const script =
        '#!/bin/sh\ncase "$(readlink /proc/$$/fd/0)" in *base.tar*) echo "gpg: no space left" >&2; exit 2;; esac\nexec /usr/bin/gpg "$@"\n';
      await home.writeFile('failing/gpg', script, 0o755);
      await configure({ path_prefix: `${folder}:${cluster.clientsDir}` });
      const { exitCode, stderr } = await runPgcellar(['backup', 'main'], { home, env });
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no space left') as string });
      const id = await newest();
      expect(await recordOf(id)).toMatch(/^error=failure encrypting backup \(.*no space left.*\)$/m);
      const left = await readdir(home.server('main', 'base', id, 'data'));
      expect(left.filter((name) => !name.endsWith('.gpg'))).toEqual(['backup_manifest']);
      await configure();
    });

    test('clear files that a kill left are gone after the next cron, and the record says FAILED', async () => {
      const folder = await home.makeFolder('hanging');
      const started = join(folder, 'started');
      const script = `case "$(readlink /proc/$$/fd/0)" in *base.tar*) touch ${started}; exec sleep 1000;; esac\nexec /usr/bin/gpg "$@"`;
      await writeScript(folder, 'gpg', script);
      await configure({ path_prefix: `${folder}:${cluster.clientsDir}` });
      const running = await spawnPgcellar(['backup', 'main'], { home, env });
      await waitFor('gpg is started', () => existsSync(started), { explain: () => running.stderr() });
      running.kill('SIGKILL');
      await running.ended;
      const id = await newest();
      const data = home.server('main', 'base', id, 'data');
      expect(await readdir(data)).toContain('base.tar.gz');
      await configure();
      await runWell(['cron'], { home, env });
      expect((await readdir(data)).filter((name) => !name.endsWith('.gpg'))).toEqual(['backup_manifest']);
      expect(await recordOf(id)).toMatch(/^status=FAILED$/m);
    });

    test('a copy that fails before it is encrypted leaves nothing clear either', async () => {
      const folder = await home.makeFolder('dying');
      await writeScript(
        folder,
        'pg_basebackup',
        `case "$*" in *--version*) exec ${cluster.clientsDir}/pg_basebackup --version;; esac
for word; do case "$word" in --pgdata=*) touch "\${word#*=}/base.tar.gz";; esac; done; exit 1`,
      );
      await configure({ path_prefix: `${folder}:${cluster.clientsDir}` });
      expect((await runPgcellar(['backup', 'main'], { home, env })).exitCode).toBe(1);
      expect(await readdir(home.server('main', 'base', await newest(), 'data'))).toEqual([]);
      await configure();
    });
  },
  [15],
);
