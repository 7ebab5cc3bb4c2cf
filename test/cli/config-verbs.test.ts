import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

const server = { conninfo: 'host=127.0.0.1 port=1 password=first', archiver: true, backup_method: 'postgres', cluster: 'c1' };

async function aHome(): Promise<TestHome> {
  const home = await createTestHome({ servers: { main: { ...server, minimum_redundancy: 2 }, other: server } });
  await home.writeServer('fast', { model: true, cluster: 'c1', conninfo: 'host=h2 password=second', parallel_jobs: 4 });
  await home.writeServer('slow', { model: true, cluster: 'c1', parallel_jobs: 2, minimum_redundancy: 2 });
  await home.writeServer('strange', { model: true, cluster: 'c2' });
  return home;
}

const update = async (home: TestHome, changes: unknown) =>
  await runPgcellar(['config-update', typeof changes === 'string' ? changes : JSON.stringify(changes)], { home });

describe('config-switch', () => {
  test('lays a model over a server, for every later command, until it is reset', async () => {
    await using home = await aHome();
    const switched = await runPgcellar(['config-switch', 'main', 'fast'], { home });
    expect(switched).toMatchObject({ exitCode: 0, stderr: '' });
    expect(switched.stdout.split('\n')).toEqual([
      "Applying model 'fast' to server 'main'",
      "Changing value of option 'conninfo' for server 'main' from 'host=127.0.0.1 port=1 password=*REDACTED*' to 'host=h2 password=*REDACTED*' through the model 'fast'",
      "Changing value of option 'description' for server 'main' from 'server main' to 'server fast' through the model 'fast'",
      "Changing value of option 'parallel_jobs' for server 'main' from '1' to '4' through the model 'fast'",
      '',
    ]);
    expect(await readFile(home.server('main', '.active-model.auto'), 'utf8')).toBe('fast');
    expect((await runPgcellar(['status', 'main'], { home })).stdout).toContain('\tActive configuration model: fast\n');
    expect((await runPgcellar(['config-switch', 'main', 'fast'], { home })).stdout).toBe(
      "Model 'fast' is already active for server 'main', skipping...\n",
    );
    const slower = await runPgcellar(['config-switch', 'main', 'slow'], { home });
    expect(slower.stdout).toContain("'parallel_jobs' for server 'main' from '4' to '2' through the model 'slow'");
    expect(slower.stdout).not.toContain('minimum_redundancy'); // the model has the value that it had
    const reset = await runPgcellar(['config-switch', 'main', 'fast', '--reset'], { home });
    expect(reset).toMatchObject({ exitCode: 0, stdout: 'Resetting the active model for the server main\n' });
    expect(existsSync(home.server('main', '.active-model.auto'))).toBe(false);
    expect((await runPgcellar(['status', 'main'], { home })).stdout).toContain('\tActive configuration model: None\n');
  });

  test.each([
    {
      fact: 'a model of another cluster',
      words: ['main', 'strange'],
      error: /^ERROR: Model 'strange' has 'cluster=c2', which is not compatible with 'cluster=c1' from server 'main'\n$/,
    },
    {
      fact: 'a model that is not there',
      words: ['main', 'none'],
      error: /^ERROR: Unknown model 'none'\nHINT: models of this server: fast, slow\n$/,
    },
    {
      fact: 'neither a model nor --reset',
      words: ['main'],
      error: /^ERROR: Either a model name or '--reset' flag need to be given\n$/,
    },
  ])('refuses $fact, and changes nothing', async ({ words, error }) => {
    await using home = await aHome();
    const refused = await runPgcellar(['config-switch', ...words], { home });
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(error);
    expect(existsSync(home.server('main', '.active-model.auto'))).toBe(false);
  });

  test('in JSON, passwords are blanked, too', async () => {
    await using home = await aHome();
    const { stdout } = await runPgcellar(['-f', 'json', 'config-switch', 'main', 'fast'], { home });
    expect(stdout).not.toMatch(/first|second/);
    expect((JSON.parse(stdout) as { _INFO: string[] })._INFO).toHaveLength(4);
  });
});

describe('config-update', () => {
  test('writes an option where it stands, and what stands nowhere into the automatic file', async () => {
    await using home = await aHome();
    const updated = await update(home, [
      { scope: 'server', server_name: 'main', minimum_redundancy: '3', parallel_jobs: '2' },
      { scope: 'model', model_name: 'fast', parallel_jobs: '8' },
      { scope: 'server', server_name: 'new', conninfo: 'host=n', archiver: true, backup_method: 'postgres' },
      { scope: 'model', model_name: 'newer', cluster: 'new', parallel_jobs: 3 },
    ]);
    expect(updated).toMatchObject({ exitCode: 0, stderr: '' });
    expect(updated.stdout.split('\n').slice(0, 3)).toEqual([
      "Changing value of option 'minimum_redundancy' for section 'main' from '2' to '3' through config-update.",
      "Changing value of option 'parallel_jobs' for section 'main' from 'None' to '2' through config-update.",
      "Changing value of option 'parallel_jobs' for section 'fast' from '4' to '8' through config-update.",
    ]);
    expect(await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8')).toContain('\nminimum_redundancy = 3\n');
    expect(await readFile(join(home.folder, 'barman.d', 'fast.conf'), 'utf8')).toContain('\nparallel_jobs = 8\n');
    expect(await readFile(join(home.path, '.barman.auto.conf'), 'utf8')).toBe(
      '[main]\nparallel_jobs = 2\n[new]\nconninfo = host=n\narchiver = on\nbackup_method = postgres\n[newer]\ncluster = new\nparallel_jobs = 3\nmodel = on\n',
    );
    expect(await readFile(join(home.path, 'cfg_changes.queue'), 'utf8')).toBe('[]');
    expect((await stat(join(home.path, 'cfg_changes.queue'))).mode & 0o777).toBe(0o600);
    expect((await runPgcellar(['list-servers', '--minimal'], { home })).stdout).toBe('main\nnew\nother\n');
  });

  test('an option of the global section is set for the one server, beside it', async () => {
    await using home = await aHome();
    await home.writeGlobal({ compression: 'gzip' });
    expect(await update(home, [{ scope: 'server', server_name: 'main', compression: 'zstd' }])).toMatchObject({ exitCode: 0 });
    expect(await readFile(home.configFile, 'utf8')).toMatch(/\ncompression = gzip\n[\s\S]*\[main\]\ncompression = zstd\n$/);
  });

  test('with an active model, the option of the server is written, not that of the model', async () => {
    await using home = await aHome();
    await runPgcellar(['config-switch', 'main', 'fast'], { home });
    await update(home, [{ scope: 'server', server_name: 'main', conninfo: 'host=third' }]);
    expect(await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8')).toContain('\nconninfo = host=third\n');
    expect(await readFile(join(home.folder, 'barman.d', 'fast.conf'), 'utf8')).toContain('host=h2');
  });

  test('a file that is a link stays one, and keeps its permissions', async () => {
    await using home = await createTestHome();
    const real = join(home.folder, 'real.conf');
    await writeFile(real, '[main]\nconninfo = host=x\nbackup_method = postgres\narchiver = on\n', { mode: 0o640 });
    await symlink(real, join(home.folder, 'barman.d', 'main.conf'));
    expect(await update(home, [{ scope: 'server', server_name: 'main', conninfo: 'host=y' }])).toMatchObject({ exitCode: 0 });
    expect(await readFile(real, 'utf8')).toContain('conninfo = host=y\n');
    expect((await stat(real)).mode & 0o777).toBe(0o640);
  });

  test.each([
    { fact: 'a text that is not JSON', changes: 'password=geheim', error: 'the changes are not a JSON array' },
    { fact: 'an object alone', changes: { scope: 'server' }, error: 'the changes are not a JSON array' },
    { fact: 'a number', changes: [1], error: 'change 1 is not a JSON object' },
    { fact: 'no scope', changes: [{ server_name: 'main', parallel_jobs: '1' }], error: 'change 1: scope is missing' },
    { fact: 'another scope', changes: [{ scope: 'x', server_name: 'main' }], error: 'change 1: scope is invalid' },
    { fact: 'no name', changes: [{ scope: 'server', parallel_jobs: '1' }], error: 'change 1: server_name is missing' },
    {
      fact: 'a model as a server',
      changes: [{ scope: 'server', server_name: 'fast' }],
      error: "change 1: 'fast' is a model, not a server",
    },
    {
      fact: 'a server as a model',
      changes: [{ scope: 'model', model_name: 'main' }],
      error: "change 1: 'main' is a server, not a model",
    },
    {
      fact: 'a new model without a cluster',
      changes: [{ scope: 'model', model_name: 'm' }],
      error: "change 1: the new model 'm' has no cluster",
    },
    {
      fact: 'an unknown option',
      changes: [{ scope: 'server', server_name: 'main', colour: 'x' }],
      error: "change 1: 'colour' is not an option of a server",
    },
    {
      fact: 'a hook of a model',
      changes: [{ scope: 'model', model_name: 'fast', pre_backup_script: 'x' }],
      error: "change 1: 'pre_backup_script' is not an option of a model",
    },
    {
      fact: 'a bad value',
      changes: [{ scope: 'server', server_name: 'main', active: 'geheim' }],
      error: 'change 1: the value of active cannot be read',
    },
    {
      fact: 'a list as a value',
      changes: [{ scope: 'server', server_name: 'main', description: ['a'] }],
      error: 'change 1: the value of description is not a text',
    },
    {
      fact: 'a value that would begin a section',
      changes: [{ scope: 'server', server_name: 'main', description: 'a\n[barman]\nb = c' }],
      error: 'change 1: the value of description has a line break or a control character',
    },
    {
      fact: 'the global section',
      changes: [{ scope: 'server', server_name: 'barman', barman_home: '/x' }],
      error: "change 1: 'barman' cannot be the name of a server",
    },
    {
      fact: 'a name that leads elsewhere',
      changes: [{ scope: 'server', server_name: '../x', active: 'on' }],
      error: 'the section name "../x"',
    },
    {
      fact: 'a bad one behind a good one',
      changes: [{ scope: 'server', server_name: 'main', parallel_jobs: '7' }, { scope: 'x' }],
      error: 'change 2: scope is invalid',
    },
  ])('refuses $fact, and changes nothing', async ({ changes, error }) => {
    await using home = await aHome();
    const before = await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8');
    const refused = await update(home, changes);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^ERROR: /);
    expect(refused.stderr).toContain(error);
    expect(refused.stderr + (await home.log())).not.toContain('geheim');
    expect(await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8')).toBe(before);
    expect(existsSync(join(home.path, '.barman.auto.conf'))).toBe(false);
    expect(existsSync(join(home.path, 'cfg_changes.queue'))).toBe(false);
  });
});

describe('the queue of changes', () => {
  const queuePath = (home: TestHome) => join(home.path, 'cfg_changes.queue');
  const setOf = (home: TestHome, value: unknown, section = 'main', file = `barman.d/${section}.conf`) => ({
    section,
    changes_set: [{ key: 'parallel_jobs', value, config_file: join(home.folder, file) }],
  });

  test('that a killed command left is applied by cron', async () => {
    await using home = await aHome();
    await writeFile(queuePath(home), JSON.stringify([setOf(home, '6')]));
    const { stdout, exitCode } = await runPgcellar(['cron'], { home });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(
      "Changing value of option 'parallel_jobs' for section 'main' from 'None' to '6' through config-update.\n",
    );
    expect(await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8')).toContain('\nparallel_jobs = 6\n');
    expect(await readFile(queuePath(home), 'utf8')).toBe('[]');
  });

  test('that holds a number, at which Barman stops for ever, is applied', async () => {
    await using home = await aHome();
    await writeFile(queuePath(home), JSON.stringify([setOf(home, 5)]));
    expect(await update(home, [])).toMatchObject({ exitCode: 0 });
    expect(await readFile(join(home.folder, 'barman.d', 'main.conf'), 'utf8')).toContain('\nparallel_jobs = 5\n');
  });

  test('keeps what cannot be written, and what follows for the same section; the others are written', async () => {
    await using home = await aHome();
    const stuck = [setOf(home, '1', 'main', 'elsewhere.conf'), { nonsense: true }, setOf(home, '2')];
    await writeFile(queuePath(home), JSON.stringify([stuck[0], stuck[1], setOf(home, '3', 'other'), stuck[2]]));
    const { stderr, stdout, exitCode } = await update(home, []);
    expect(exitCode).toBe(1);
    expect(stderr.match(/^ERROR: a configuration change stays in /gm)).toHaveLength(3);
    expect(stderr).toContain('elsewhere.conf is not a file of the configuration');
    expect(stdout).toMatch(/^Changing value of option 'parallel_jobs' for section 'other' from 'None' to '3'/);
    expect(JSON.parse(await readFile(queuePath(home), 'utf8'))).toEqual(stuck);
    expect(existsSync(join(home.folder, 'elsewhere.conf'))).toBe(false);
  });

  test('that is no list is told and begun anew', async () => {
    await using home = await aHome();
    await writeFile(queuePath(home), 'garbage');
    const { stderr, exitCode } = await update(home, []);
    expect({ stderr, exitCode }).toEqual({
      stderr: `WARNING: Malformed or empty configuration change queue: ${queuePath(home)}\n`,
      exitCode: 0,
    });
    expect(await readFile(queuePath(home), 'utf8')).toBe('[]');
  });
});

test("a mistake in Barman's words shows no value that may be a secret", async () => {
  await using home = await aHome();
  const changes = JSON.stringify([{ scope: 'server', conninfo: 'password=geheim', server_name: '' }]);
  const { exitCode, stdout, stderr } = await runPgcellar(['config-update', changes], { home, as: 'barman' });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(
    /^ERROR: Invalid section \{'scope': 'server', 'conninfo': '\*', 'server_name': ''\}: 'server_name' is missing\.$/m,
  );
});

describeWithOracle('beside the real Barman', () => {
  test('models that one switches are active for the other, and changes that one writes are read by the other', async () => {
    await using home = await aHome();
    await mkdir(home.server('main'), { recursive: true });
    const ours = (...words: string[]) => runPgcellar(words, { home, as: 'barman' });
    const theirs = (...words: string[]) => runOracle(words, { home });
    for (const [does, sees] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      expect(await does('config-switch', 'main', 'fast')).toMatchObject({ exitCode: 0 });
      expect((await sees('status', 'main')).stdout).toContain('\tActive configuration model: fast\n');
      expect((await sees('config-switch', 'main', 'fast')).stdout).toContain('is already active');
      expect(await does('config-switch', 'main', '--reset')).toMatchObject({ exitCode: 0 });
      expect((await sees('status', 'main')).stdout).toContain('\tActive configuration model: None\n');
      const value = does === ours ? '5' : '6';
      const changes = JSON.stringify([
        { scope: 'server', server_name: 'main', minimum_redundancy: value, parallel_jobs: value },
      ]);
      expect(await does('config-update', changes)).toMatchObject({ exitCode: 0 });
      const shown = (await sees('show-servers', 'main')).stdout;
      expect(shown).toContain(`\tminimum_redundancy: ${value}\n`);
      expect(shown).toContain(`\tparallel_jobs: ${value}\n`);
    }
  });
});
