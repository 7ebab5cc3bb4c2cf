// What options change in a file-level backup: exclusive ones, parallel runs, rates, compression, files outside the data folder, holes.
import { chmod, chown, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import {
  backUpByRsync,
  configureRsync,
  type RsyncStage,
  restorePlaces,
  rowChecksums,
  setRsyncStage,
} from '../helpers/rsync-stage.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { untilCopying } from '../helpers/until-copying.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { serverUser } from '../machine/server-user.mjs';
import { writeScript } from '../unit/transport/scripts.ts';

const major = 14;
const opened = new Opened();
let stage: RsyncStage;
let outside: string;

beforeAll(async () => {
  const folder = await opened.add(createTemporaryFolder('cf', { owner: 'server' }));
  outside = join(folder.path, 'hba.conf');
  await writeFile(
    outside,
    '# outside\nlocal all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n',
  );
  const user = serverUser();
  if (user !== undefined) await chown(outside, user.uid, user.gid);
  await chmod(outside, 0o640);
  stage = await setRsyncStage(major, opened, { hba_file: outside });
});
afterAll(async () => opened.close());

const dataOf = (id: string, ...below: string[]): string => stage.home.server('main', 'base', id, 'data', ...below);

async function field(id: string, key: string): Promise<string | undefined> {
  const text = await readFile(stage.home.server('main', 'meta', `${id}-backup.info`), 'utf8');
  return new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1];
}

/** An rsync that notes its words before it does its work. */
async function notingRsync(): Promise<{ path: string; runs: () => Promise<string[]> }> {
  const folder = await stage.home.makeFolder(`noting-${String(performance.now())}`);
  await writeScript(folder, 'rsync', `echo "$*" >> ${folder}/log; exec /usr/bin/rsync "$@"`);
  return {
    path: folder,
    runs: async () =>
      (await readFile(join(folder, 'log'), 'utf8'))
        .trimEnd()
        .split('\n')
        .filter((line) => !line.includes('--server')),
  };
}

async function expectRestorable(id: string): Promise<void> {
  await using folder = await createTemporaryFolder('rs', { owner: 'server' });
  const { data, moved, tablespaces } = restorePlaces(stage, folder);
  await runWell(['restore', ...moved, 'main', id, data], { home: stage.home });
  const settings = { hba_file: join(data, 'hba.conf') };
  await using restored = await startRestored({ dataDir: data, tablespaces, major, settings, wait: 'promoted' });
  expect(await restored.query(rowChecksums)).toEqual(await stage.cluster.query(rowChecksums));
}

test('a configuration file outside the data folder comes into it, with its mode', async () => {
  const id = await backUpByRsync(stage);
  expect(await readFile(dataOf(id, 'hba.conf'), 'utf8')).toMatch(/^# outside\n/);
  expect(((await stat(dataOf(id, 'hba.conf'))).mode & 0o777).toString(8)).toBe('640');
  expect(await field(id, 'hba_file')).toBe(outside);
  await configureRsync(stage, { backup_options: 'concurrent_backup, external_configuration' });
  expect(await readdir(dataOf(await backUpByRsync(stage)))).not.toContain('hba.conf');
  await configureRsync(stage);
});

test('an exclusive backup is begun and ended in the data folder, and is restored', async () => {
  await configureRsync(stage, { backup_options: 'exclusive_backup' });
  const id = await backUpByRsync(stage);
  expect(await field(id, 'mode')).toBe('rsync-exclusive');
  expect(await field(id, 'backup_label')).toBe('None');
  expect(await readFile(dataOf(id, 'backup_label'), 'utf8')).toMatch(/^BACKUP METHOD: pg_start_backup$/m);
  expect(await stage.cluster.value('SELECT pg_is_in_backup()')).toBe('false');
  await expectRestorable(id);
  await configureRsync(stage);
});

test('a failed exclusive backup leaves no label in the data folder', async () => {
  await configureRsync(stage, { backup_options: 'exclusive_backup' });
  const folder = await stage.home.makeFolder('broken');
  await writeScript(folder, 'rsync', 'exit 12');
  expect((await runPgcellar(['backup', 'main'], { home: stage.home, path: [folder] })).exitCode).toBe(1);
  expect(await stage.cluster.value('SELECT pg_is_in_backup()')).toBe('false');
  await configureRsync(stage);
});

describe('an exclusive backup that a kill left on the server', () => {
  beforeEach(async () => {
    await configureRsync(stage, { backup_options: 'exclusive_backup' });
    const folder = await stage.home.makeFolder('hanging');
    const started = join(folder, 'started');
    await rm(started, { force: true });
    await writeScript(folder, 'rsync', `touch ${started}; exec sleep 1000`);
    const running = await spawnPgcellar(['backup', 'main'], { home: stage.home, path: [folder] });
    await untilCopying(running, started);
    running.kill('SIGKILL');
    await running.ended;
    expect(await isInBackup()).toBe('true');
  });
  afterEach(async () => {
    expect(await isInBackup()).toBe('false');
    await configureRsync(stage);
  });

  const isInBackup = async () => await stage.cluster.value('SELECT pg_is_in_backup()');
  const isEnded = expect.stringMatching(
    /^WARNING: the exclusive backup .* is still in progress on the server: it is ended now$/m,
  ) as string;

  test('is ended by the next one', async () => {
    const { exitCode, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: isEnded });
  });

  test('is ended by the next one that is none', async () => {
    await configureRsync(stage);
    const { exitCode, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: isEnded });
  });

  test('is ended by cron, which leaves one alone that runs', async () => {
    const { exitCode, stderr } = await runPgcellar(['cron'], { home: stage.home });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: isEnded });
    const [started, go] = [join(stage.home.folder, 'exclusive-started'), join(stage.home.folder, 'exclusive-go')];
    const folder = await stage.home.makeFolder('waiting');
    await writeScript(folder, 'rsync', `touch ${started}; while [ ! -e ${go} ]; do sleep 0.1; done; exec /usr/bin/rsync "$@"`);
    const running = await spawnPgcellar(['backup', '--wait', 'main'], { home: stage.home, path: [folder] });
    await untilCopying(running, started);
    expect(await runPgcellar(['cron'], { home: stage.home })).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await isInBackup()).toBe('true');
    await writeFile(go, '');
    expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('is told by cron when the host cannot be reached, and ended by the next backup', async () => {
    await configureRsync(stage, {
      backup_options: 'exclusive_backup',
      ssh_command: 'ssh -F none -p 1 -o BatchMode=yes nobody@127.0.0.1',
    });
    const { stderr } = await runPgcellar(['cron'], { home: stage.home });
    expect(stderr).toMatch(
      /^WARNING: server 'main' may still be in an exclusive backup that was killed: .*pg_stop_backup\(\)/m,
    );
    await configureRsync(stage, { backup_options: 'exclusive_backup' });
    await runPgcellar(['backup', 'main'], { home: stage.home });
  });
});

test('an exclusive backup that somebody else began is left alone', async () => {
  await configureRsync(stage, { backup_options: 'exclusive_backup' });
  await stage.cluster.value("SELECT pg_start_backup('of another tool', true)");
  const { exitCode, stderr } = await runPgcellar(['backup', 'main'], { home: stage.home });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('already in progress') as string });
  expect(await stage.cluster.value('SELECT pg_is_in_backup()')).toBe('true');
  await stage.cluster.value('SELECT pg_stop_backup()');
  await configureRsync(stage);
});

describe('the runs of rsync', () => {
  test('are as many as jobs for each folder, and what they bring is restored', async () => {
    const { path, runs } = await notingRsync();
    const words = ['backup', '--wait', '--jobs', '3', '--jobs-start-batch-size', '2', '--jobs-start-batch-period', '1', 'main'];
    await runWell(words, { home: stage.home, path: [path] });
    const ofData = (await runs()).filter((line) => line.includes(`:${stage.cluster.dataDir}/`));
    expect(ofData).toHaveLength(3);
    const id = (await readdir(stage.home.server('main', 'base'))).toSorted().at(-1) ?? '';
    expect(await field(id, 'copy_stats')).toContain("'number_of_workers': 3");
    await expectRestorable(id);
  });

  test('have the rate of their tablespace, and are compressed when that is asked for', async () => {
    await configureRsync(stage, {
      bandwidth_limit: 400_000,
      tablespace_bandwidth_limit: 'fast:300000',
      network_compression: true,
    });
    const { path, runs } = await notingRsync();
    await runWell(['backup', '--wait', 'main'], { home: stage.home, path: [path] });
    const lines = await runs();
    expect(lines.every((line) => line.includes(' -z '))).toBe(true);
    const rates = lines.map((line) => /--bwlimit=(\d+).* :(\S.*)\/ /.exec(line)).map((match) => [match?.[2], match?.[1]]);
    expect(rates).toContainEqual([stage.tablespaces['fast'], '300000']);
    expect(rates).toContainEqual([stage.cluster.dataDir, '400000']);
    await configureRsync(stage);
  });
});

describe('the words of the command', () => {
  test('--keepalive-interval asks something of the session while files are copied, which no timeout of the server then ends', async () => {
    const { home, cluster } = stage;
    await cluster.query("ALTER ROLE barman SET idle_session_timeout = '2500ms'");
    const [started, go] = [join(home.folder, 'keepalive-started'), join(home.folder, 'keepalive-go')];
    const folder = await home.makeFolder('keepalive');
    await writeScript(folder, 'rsync', `touch ${started}; while [ ! -e ${go} ]; do sleep 0.1; done; exec /usr/bin/rsync "$@"`);
    const words = ['backup', '--wait', '--keepalive-interval', '1', 'main'];
    const running = await spawnPgcellar(words, { home, path: [folder] });
    await untilCopying(running, started);
    const asked = async () => {
      const sql = "SELECT state_change::text FROM pg_stat_activity WHERE application_name = 'barman' AND query = 'SELECT 1'";
      return (await cluster.query<{ state_change: string }>(sql))[0]?.state_change;
    };
    const moments = new Set<string | undefined>([undefined]);
    await waitFor('it is asked three times, longer than the timeout takes', async () => moments.add(await asked()).size > 3);
    await writeFile(go, '');
    expect(await running.ended).toMatchObject({ exitCode: 0, stderr: '' });
    await cluster.query('ALTER ROLE barman RESET idle_session_timeout');
  });

  test.each([
    { method: 'rsync', word: '--immediate-checkpoint', isImmediate: true },
    { method: 'rsync', word: '--no-immediate-checkpoint', isImmediate: false },
    { method: 'postgres', word: '--immediate-checkpoint', isImmediate: true },
    { method: 'postgres', word: '--no-immediate-checkpoint', isImmediate: false },
  ])('$word is what a backup by $method asks of the server', async ({ method, word, isImmediate }) => {
    const { home, cluster } = stage;
    await cluster.query('ALTER SYSTEM SET log_checkpoints = on');
    await cluster.query('SELECT pg_reload_conf()');
    await cluster.query('CHECKPOINT'); // leaves nothing that could be written slowly
    await configureRsync(stage, { backup_method: method, immediate_checkpoint: !isImmediate });
    const before = (await cluster.log()).length;
    await runWell(['backup', word, 'main'], { home });
    const [, how] = /checkpoint starting: (.*)/.exec((await cluster.log()).slice(before)) ?? [];
    expect(how).toMatch(isImmediate ? /^immediate force wait/ : /^force wait/);
    await configureRsync(stage);
  });

  test('--no-retry wins over the configuration', async () => {
    await configureRsync(stage, { basebackup_retry_times: 5, basebackup_retry_sleep: 0 });
    const folder = await stage.home.makeFolder('failing');
    const log = join(folder, 'log');
    await writeScript(folder, 'rsync', `echo try >> ${log}; exit 12`);
    expect((await runPgcellar(['backup', '--no-retry', 'main'], { home: stage.home, path: [folder] })).exitCode).toBe(1);
    expect((await readFile(log, 'utf8')).split('try')).toHaveLength(2);
    await configureRsync(stage);
  });

  test('--manifest and --no-manifest win over the configuration, and a manifest is one that can be verified', async () => {
    const hasManifest = async (id: string) => (await readdir(dataOf(id))).includes('backup_manifest');
    await configureRsync(stage, { autogenerate_manifest: true });
    const id = await backUpByRsync(stage);
    expect(await hasManifest(id)).toBe(true);
    expect(await runWell(['verify-backup', 'main', id], { home: stage.home })).toMatch(/^backup successfully verified$/m);
    expect(await hasManifest(await backUpByRsync(stage, ['--no-manifest']))).toBe(false);
    await configureRsync(stage);
    expect(await hasManifest(await backUpByRsync(stage, ['--manifest']))).toBe(true);
  });
});

test('a relation of more than a gigabyte that is mostly holes stays so, with both its segments', async () => {
  const { cluster } = stage;
  await cluster.query('CREATE TABLE holes (n int)');
  await cluster.query('CHECKPOINT');
  const path = join(cluster.dataDir, await cluster.value("SELECT pg_relation_filepath('holes')"));
  await using first = await open(path, 'r+');
  await first.truncate(1024 ** 3);
  await writeFile(`${path}.1`, Buffer.alloc(16_384), { mode: 0o600 });
  const user = serverUser();
  if (user !== undefined) await chown(`${path}.1`, user.uid, user.gid);
  await configureRsync(stage, { backup_method: 'local-rsync' });
  const id = await backUpByRsync(stage);
  const copy = await stat(dataOf(id, path.slice(cluster.dataDir.length)));
  expect(copy.size).toBe(1024 ** 3);
  expect(copy.blocks * 512).toBeLessThan(1024 ** 2);
  expect((await stat(dataOf(id, `${path.slice(cluster.dataDir.length)}.1`))).size).toBe(16_384);
  await cluster.query('DROP TABLE holes');
  await configureRsync(stage);
});

describe('a server', () => {
  /** An sshd whose sessions find another program under that name. */
  async function withProgram(name: string, text: string, work: () => Promise<void>): Promise<void> {
    await using folder = await createTemporaryFolder('pr');
    await using other = await startSshd({ programs: { [name]: await writeScript(folder.path, name, text) } });
    await configureRsync(stage, { ssh_command: other.sshCommand });
    await work().finally(async () => {
      await configureRsync(stage);
    });
  }

  // with -s the words come on standard input; 3.0 knows these, and no --ignore-missing-args
  const oldRsync = `exec bash -c '[[ $3 =~ ^-[sLtprIRSzce.iLsfxCIvu]+$ ]] || { echo "rsync: $3: unknown option" >&2; exit 1; }
words=(); while IFS= read -r -d "" word && [ -n "$word" ]; do words+=("$word"); done
for word in "\${words[@]}"; do
  case "$word" in
    --inplace|--files-from=-|--from0|--bwlimit=*) ;;
    --*) echo "rsync: $word: unknown option" >&2; exit 1 ;;
  esac
done
exec /usr/bin/rsync --server --sender "\${3/s/}" "\${words[@]:1}"' rsync "$@"`;

  test('whose rsync is older than 3.1 is backed up all the same', async () => {
    await withProgram('rsync', oldRsync, async () => {
      await expectRestorable(await backUpByRsync(stage));
      await expectRestorable(await backUpByRsync(stage, ['--bwlimit', '400000', '--reuse-backup=link']));
    });
  });

  test('whose find is not GNU find is told so, with what to do', async () => {
    const busybox = `echo "find: unrecognized: -printf" >&2; exit 1`;
    await withProgram('find', busybox, async () => {
      const { exitCode, stderr } = await runPgcellar(['backup', 'main'], { home: stage.home });
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/find is not GNU find on \S+@127\.0\.0\.1/);
      expect(stderr).toContain('install the package findutils there');
    });
  });
});
