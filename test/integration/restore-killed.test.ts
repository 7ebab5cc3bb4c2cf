// A restore that is killed at any of its stages, here and on another host, cannot be started; the same command then goes on, or says exactly what to remove.
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { describeEachPostgres, requirePostgres } from '../helpers/installations.ts';
import { findMarkedProcesses } from '../helpers/marked-processes.ts';
import { Opened } from '../helpers/opened.ts';
import { encryptBackup, packBackup } from '../helpers/pack-backup.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { RunningProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

interface Story {
  readonly home: TestHome;
  readonly plain: string;
  readonly packed: string;
  readonly chained: string;
  readonly sealed: string;
  /** An encrypted incremental backup on a plain one. */
  readonly sealedChain: string;
  readonly gpg: GpgHome;
}

async function tell(major: number, opened: Opened): Promise<Story> {
  const cluster = await opened.add(startCluster({ major, settings: { summarize_wal: 'on' }, initdbArgs: ['--wal-segsize=1'] }));
  const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
  const server = streamingServer(cluster, { immediate_checkpoint: true, compression: 'gzip' });
  const home = await opened.add(createTestHome({ servers: { main: server } }));
  await startReceiver(home, cluster);
  await cluster.query(`CREATE TABLESPACE fast LOCATION '${tablespace.path}'`);
  await cluster.query('CREATE TABLE story TABLESPACE fast AS SELECT i FROM generate_series(1, 5000) i');
  const backUp = async (...words: readonly string[]): Promise<string> => {
    const text = await runWell(['-f', 'json', 'backup', '--wait', ...words, 'main'], { home });
    return (JSON.parse(text) as { backup_id: string }).backup_id; // the shape of docs/reference/cli.md section 8.1
  };
  const plain = await backUp();
  await cluster.query('UPDATE story SET i = -i');
  const chained = await backUp('--incremental', plain);
  await cluster.query('UPDATE story SET i = -i');
  await cluster.query('UPDATE story SET i = -i');
  const sealedChain = await backUp('--incremental', plain);
  await home.writeServer('main', { ...server, backup_compression: 'gzip', backup_compression_format: 'tar' });
  const packed = await backUp();
  const sealed = await backUp();
  const gpg = await opened.add(createGpgHome());
  await packBackup(home, sealedChain);
  for (const id of [sealed, sealedChain]) await encryptBackup(home, gpg, id);
  await home.writeServer('main', { ...server, encryption_passphrase_command: `cat ${gpg.passphraseFile}` });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  return { home, plain, packed, chained, sealed, sealedChain, gpg };
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let story: Story;
    let folder: TemporaryFolder;
    let sshd: Sshd;
    beforeAll(async () => {
      story = await tell(major, opened);
      folder = await opened.add(createTemporaryFolder('ki', { owner: 'server' }));
      sshd = await opened.add(startSshd({ programs: await standIns() }));
    });
    afterAll(() => opened.close());

    let number = 0;
    async function newPlace(): Promise<{ dataDir: string; fast: string; staging: string; words: string[] }> {
      const place = join(folder.path, String(++number));
      const staging = join(place, 'staging');
      await mkdir(staging, { recursive: true });
      const [dataDir, fast] = [join(place, 'data'), join(place, 'fast')];
      return { dataDir, fast, staging, words: ['restore', `--tablespace=fast:${fast}`, `--staging-path=${staging}`] };
    }

    /** The same command says what to remove; when that is gone, it finishes and nothing else is left. */
    async function expectWayOut(all: readonly string[], place: Awaited<ReturnType<typeof newPlace>>, env = {}): Promise<void> {
      const { dataDir, fast, staging } = place;
      expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(false);
      const again = await runPgcellar(all, { home: story.home, env });
      if (again.exitCode !== 0) {
        expect(again.stderr).toMatch(/^ERROR: the (?:destination|location of tablespace fast) \S+ is not empty/);
        const hints = again.stderr.matchAll(
          /HINT: an earlier restore to \S+ did not finish: remove its files in (.*), and try again/g,
        );
        const left = new Set([...hints].flatMap(([, paths = '']) => paths.split(' and ')));
        for (const path of left) {
          expect([dataDir, fast]).toContain(path);
          await rm(path, { recursive: true });
        }
        await runWell(all, { home: story.home, env });
      }
      expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(true);
      expect((await readdir(dataDir)).filter((name) => name.startsWith('.pgcellar'))).toEqual([]);
      expect(await readdir(staging)).toEqual([]);
    }

    const atEnd = ['--target-name', 'nowhere'];
    test.each([
      { stage: 'before its first file', of: 'plain', when: /rename .*\.pgcellar-restoring/, more: [] },
      { stage: 'in the first tablespace', of: 'plain', when: /fast\/PG_\d+_\d+\/\d+\/\d/, more: [] },
      { stage: 'while it copies', of: 'plain', when: /data\/base\/1\/1259/, more: [] },
      { stage: 'while it unpacks', of: 'packed', when: /data\/base\/1\/1259/, more: [] },
      { stage: 'when it begins to combine', of: 'chained', when: /spawn [^]*--output=/, more: [] },
      { stage: 'while it moves up what was combined', of: 'chained', when: /rename .*-combined\/base/, more: [] },
      { stage: 'while it copies WAL', of: 'plain', when: /writeFile .*archive_status/, more: [] },
      { stage: 'while it copies WAL for a target', of: 'packed', when: /(?:copyFile|open|mkdir) .*barman_wal\/?/, more: atEnd },
      { stage: 'while it reviews the settings', of: 'packed', when: /rename .*postgresql\.conf/, more: [] },
      { stage: 'while it writes the recovery settings', of: 'chained', when: /rename .*recovery\.signal/, more: atEnd },
      { stage: 'while it syncs', of: 'plain', when: /spawn [^]* \S*\/sync \//, more: [] },
      { stage: 'before the control file', of: 'chained', when: /rename .*restoring .*pg_control/, more: [] },
    ] as const)('killed $stage ($of)', async ({ of, when, more }) => {
      const { home } = story;
      const place = await newPlace();
      const all = [...place.words, ...more, 'main', story[of], place.dataDir];
      const env = {
        NODE_OPTIONS: `--require ${join(import.meta.dirname, '../helpers/kill-when.cjs')}`,
        KILL_WHEN: when.source,
      };
      expect(await runPgcellar(all, { home, env })).toMatchObject({ signal: 'SIGKILL' });
      await expectWayOut(all, place);
    });

    test('killed when all but its note is done: the server can be started', async () => {
      const { home, plain } = story;
      const { dataDir, fast, words } = await newPlace();
      const env = {
        NODE_OPTIONS: `--require ${join(import.meta.dirname, '../helpers/kill-when.cjs')}`,
        KILL_WHEN: 'rm .*restoring$',
      };
      expect(await runPgcellar([...words, 'main', plain, dataDir], { home, env })).toMatchObject({ signal: 'SIGKILL' });
      await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
      expect(await server.value('SELECT count(*) FROM story WHERE i < 0')).toBe('5000');
    });

    describe('on another host', () => {
      const hold = () => join(folder.path, 'hold');
      const staged = ['--staging-location', 'remote'];

      /** Command lines that match, of all that this file started, through sshd too. */
      async function working(shape: RegExp): Promise<string[]> {
        const found = await findMarkedProcesses('PGCELLAR_TEST_FILE', process.env['PGCELLAR_TEST_FILE'] ?? '');
        return found.map(({ command }) => command).filter((command) => shape.test(command));
      }

      async function awaitEnd(): Promise<void> {
        const shape = /stand-ins|(?:^|[ /])(?:tar|rsync|pg_combinebackup) -/;
        await waitFor('nothing writes any more', async () => (await working(shape)).length === 0);
      }

      async function killNow(program: RunningProgram): Promise<void> {
        program.killGroup('SIGKILL');
        await program.ended;
        // what unpacks or combines there ends when nobody listens any more
        const watched = /stand-ins\/(?:tar|pg_combinebackup)/;
        await waitFor('nothing works there any more', async () => (await working(watched)).length === 0);
        await rm(hold());
        await rm(`${hold()}.reached`);
        await awaitEnd();
      }

      test.each([
        { stage: 'while it sends', of: 'plain', where: 'here', when: 'spawn .*rsync .*/data/?$', more: [] },
        { stage: 'while it unpacks there', of: 'packed', where: 'there', when: 'tar --extract', more: staged },
        { stage: 'while it combines there', of: 'chained', where: 'there', when: 'pg_combinebackup --output', more: staged },
        { stage: 'while it decrypts here', of: 'sealed', where: 'gpg', when: '--decrypt .*base.tar', more: staged },
        { stage: 'while it sends it', of: 'sealed', where: 'there', when: 'rsync --server', more: staged },
        { stage: 'when a part is sent', of: 'sealedChain', where: 'here', when: 'spawn .*rsync .*/packed', more: staged },
        {
          stage: 'while it combines there',
          of: 'sealedChain',
          where: 'there',
          when: 'pg_combinebackup --output',
          more: staged,
        },
        { stage: 'while it sends WAL', of: 'packed', where: 'here', when: 'spawn .*rsync .*pg_wal', more: staged },
        { stage: 'while it writes settings', of: 'plain', where: 'there', when: 'sync -- .*recovery.signal', more: atEnd },
        { stage: 'while it syncs', of: 'chained', where: 'there', when: 'sync -f', more: [] },
      ] as const)('killed $stage ($of)', async ({ of, where, when, more }) => {
        const { home, gpg } = story;
        const place = await newPlace();
        const all = [...place.words, ...more, '--remote-ssh-command', sshd.sshCommand, 'main', story[of], place.dataDir];
        const keys = { GNUPGHOME: gpg.path };
        if (where === 'here') {
          const hook = `--require ${join(import.meta.dirname, '../helpers/kill-when.cjs')}`;
          const env = { ...keys, NODE_OPTIONS: hook, KILL_WHEN: when };
          expect(await runPgcellar(all, { home, env })).toMatchObject({ signal: 'SIGKILL' });
        } else {
          await writeFile(hold(), when);
          const env = { ...keys, HOLD_BELOW: place.staging };
          const path = where === 'gpg' ? [join(folder.path, 'stand-ins', 'gpg')] : [];
          await using program = await spawnPgcellar(all, { home, env, path });
          await waitFor('the stage is reached', () => existsSync(`${hold()}.reached`));
          await killNow(program);
        }
        await awaitEnd();
        await expectWayOut(all, place, keys);
      });

      test('the staging folder of another running program stays, that of a killed one is removed', async () => {
        const { home, packed } = story;
        const place = await newPlace();
        const all = [...place.words, ...staged, '--remote-ssh-command', sshd.sshCommand, 'main', packed, place.dataDir];
        await writeFile(hold(), 'tar --extract');
        {
          await using program = await spawnPgcellar(all, { home });
          await waitFor('it unpacks there', () => existsSync(`${hold()}.reached`));
          await killNow(program);
        }
        const [left = ''] = await readdir(place.staging);
        expect(left).toMatch(/^pgcellar-restore-.*-\d+-[0-9a-f]{16}$/);
        const living = left.replace(/-\d+-[0-9a-f]{16}$/, `-${String(process.pid)}-${'0'.repeat(16)}`);
        const foreign = left.replace(/^pgcellar-restore-/, 'pgcellar-restore-other');
        for (const name of [living, foreign]) await mkdir(join(place.staging, name));
        for (const path of [place.dataDir, place.fast]) await rm(path, { recursive: true, force: true });
        await runWell(all, { home });
        expect((await readdir(place.staging)).toSorted()).toEqual([living, foreign].toSorted());
      });
    });

    /** Programs for the other host that wait, when their words match what is in the file `hold`, until it is gone. */
    async function standIns(): Promise<Record<string, string>> {
      const real = {
        tar: '/usr/bin/tar',
        sync: '/usr/bin/sync',
        rsync: '/usr/bin/rsync',
        pg_combinebackup: join(requirePostgres(major).clientsDir, 'pg_combinebackup'),
      };
      const stand = join(folder.path, 'stand-ins');
      await mkdir(stand);
      const hold = join(folder.path, 'hold');
      const programs: Record<string, string> = {};
      for (const [name, path] of Object.entries(real)) {
        const script = `#!/bin/sh
if [ -e '${hold}' ] && printf '%s' "${name} $*" | grep -Eq -f '${hold}'; then
  touch '${hold}.reached'
  while [ -e '${hold}' ]; do sleep 0.05; done
fi
exec '${path}' "$@"
`;
        programs[name] = join(stand, name);
        await writeFile(join(stand, name), script, { mode: 0o755 });
      }
      await mkdir(join(stand, 'gpg'));
      // a plan asks gpg, too: nothing is staged then
      const script = `#!/bin/sh
if [ -e '${hold}' ] && [ -n "$(ls -A "$HOLD_BELOW")" ] && printf '%s' "$*" | grep -Eq -e "$(cat '${hold}')"; then
  touch '${hold}.reached'
  while [ -e '${hold}' ]; do sleep 0.05; done
fi
exec /usr/bin/gpg "$@"
`;
      await writeFile(join(stand, 'gpg', 'gpg'), script, { mode: 0o755 });
      return programs;
    }
  },
  [18],
);
