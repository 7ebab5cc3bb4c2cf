// The packages that `npm run package` makes; test/install runs them in fresh systems.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle, requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Two cores may be busy with other tests. */
const patience = 600_000;
const opened = new Opened();
let folder = '';
/** The three packages, unpacked over each other as dpkg would. */
let tree = '';

beforeAll(async () => {
  folder = (await opened.add(createTemporaryFolder('packages'))).path;
  tree = join(folder, 'tree');
  await make('first');
  for (const file of await packages()) expect(await run(['dpkg', '-x', file, tree])).toMatchObject({ exitCode: 0 });
}, patience);
afterAll(() => opened.close());

async function run(argv: readonly string[]): Promise<ProgramResult> {
  return await runProgram(argv, { env: process.env, cwd: root });
}

async function make(name: string, umask = '022'): Promise<void> {
  const argv = [
    ...['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'],
    process.execPath,
    join(root, 'etc/packaging/package.mjs'),
    '--quick',
    '--only',
    'deb,npm',
    '--into',
    join(folder, name),
  ];
  const { exitCode, stderr } = await run(argv);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
}

async function packages(): Promise<readonly string[]> {
  const names = (await readdir(join(folder, 'first'))).filter((name) => name.endsWith('.deb'));
  return names.map((name) => join(folder, 'first', name));
}

/** The program as it is installed, run by the Node that is installed with it. */
async function runInstalled(program: string, argv: readonly string[]): Promise<ProgramResult> {
  return await run([join(tree, 'usr/lib/pgcellar-runtime/bin/node'), join(tree, 'usr/bin', program), ...argv]);
}

test(
  'two runs write the same bytes, whatever the umask, and the sums beside them are theirs',
  async () => {
    await make('second', '077');
    const sums = await readFile(join(folder, 'first', 'SHA256SUMS'), 'utf8');
    expect(await readFile(join(folder, 'second', 'SHA256SUMS'), 'utf8')).toBe(sums);
    expect(await run(['sh', '-c', `cd '${join(folder, 'first')}' && sha256sum --check --quiet SHA256SUMS`])).toMatchObject({
      exitCode: 0,
    });
    expect(sums).toMatch(/ {2}pgcellar_[\d.]+_all\.deb\n/);
  },
  patience,
);

test('the runtime takes the code that was compiled for it', async () => {
  const cli = join(tree, 'usr/lib/pgcellar/dist/cli');
  const files = (await readdir(cli)).filter((name) => name.endsWith('.cjs')).map((name) => join(cli, name));
  const ask = `console.log(require(${JSON.stringify(join(tree, 'usr/lib/pgcellar/bin/code-cache.cjs'))}).areAccepted(${JSON.stringify(files)}))`;
  expect(await run([join(tree, 'usr/lib/pgcellar-runtime/bin/node'), '-e', ask])).toMatchObject({ stdout: 'true\n' });
});

test('each program speaks under the names of both packages', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }; // our own file
  expect(await runInstalled('pgcellar', ['--version'])).toMatchObject({ stdout: `pgcellar ${version}\n` });
  expect(await runInstalled('barman', ['--version'])).toMatchObject({ stdout: `3.20.1 Barman (pgcellar ${version})\n` });
  expect(await runInstalled('../lib/pgcellar/bin/wal-archive.cjs', ['--version'])).toMatchObject({ exitCode: 0 });
  for (const name of (await readdir(join(tree, 'usr/bin'))).filter((program) => program.startsWith('pgcellar'))) {
    expect(existsSync(join(tree, 'usr/bin', name.replace('pgcellar', 'barman')))).toBe(true);
    expect(existsSync(join(tree, 'usr/share/man/man1', `${name}.1.gz`))).toBe(true);
  }
});

describe('the barman-cloud names', () => {
  const cloud = async (name: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramResult> =>
    await runProgram([join(tree, 'usr/bin', name), ...words], { env, cwd: folder });

  test('are those of Barman, each with its manual page', async () => {
    const names = (await readdir(join(tree, 'usr/bin'))).filter((name) => name.startsWith('barman-cloud'));
    expect(names).toEqual(
      ['backup', 'backup-delete', 'backup-keep', 'backup-list', 'backup-show', 'check-wal-archive']
        .concat(['restore', 'wal-archive', 'wal-restore'])
        .map((part) => `barman-cloud-${part}`),
    );
    for (const name of names) expect(existsSync(join(tree, 'usr/share/man/man1', `${name}.1.gz`))).toBe(true);
  });

  test.each(['barman-cloud-backup', 'barman-cloud-wal-restore'])(
    "%s says which package is missing, and ends with Barman's code",
    async (name) => {
      const { exitCode, stdout, stderr } = await cloud(name, ['s3://bucket', 'main'], { PATH: '/usr/bin:/bin' });
      expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: '' });
      expect(stderr).toMatch(
        /^ERROR: barman-cloud-\S+: pgcellar keeps no backups in object stores, .*\nHINT: install python3-barman .*\n$/,
      );
    },
  );

  describeWithOracle('where the package of Barman is installed', () => {
    test.each([
      'barman-cloud-backup',
      'barman-cloud-check-wal-archive',
      'barman-cloud-wal-archive',
      'barman-cloud-wal-restore',
    ])('%s runs its program with all arguments', async (name) => {
      const there = join(requireOracle().program, '../../usr');
      const env = { PATH: `${there}/bin:/usr/bin:/bin`, PYTHONPATH: `${there}/lib/python3/dist-packages` };
      expect(await cloud(name, ['--version'], env)).toMatchObject({
        exitCode: 0,
        stdout: `${name} ${requireOracle().version}\n`,
      });
      const refused = await cloud(name, ['one', 'two words', 'three', 'four', 'five', '--no-such-option'], env);
      expect(refused.exitCode).toBe(3);
      expect(refused.stderr).toMatch(new RegExp(`^usage: ${name} [^]*: error: unrecognized arguments: .*--no-such-option\n$`));
    });
  });
});

test('no script asks for the Node of the operator', async () => {
  const { stdout } = await run(['grep', '-rnE', '(exec|setsid -f) node ', join(tree, 'usr/lib/pgcellar/bin')]);
  expect(stdout).toBe('');
});

test('every npm package that the program loads is there', async () => {
  const load = ['pg', 'node-ssh', 'cron', 'tar-stream'].map((name) => `require(${JSON.stringify(name)});`).join(' ');
  const from = `process.chdir(${JSON.stringify(join(tree, 'usr/lib/pgcellar'))}); const { createRequire } = require('node:module');`;
  const ask = `${from} require = createRequire(process.cwd() + '/bin/x.cjs'); ${load} console.log('loaded')`;
  expect(await run([join(tree, 'usr/lib/pgcellar-runtime/bin/node'), '-e', ask])).toMatchObject({ stdout: 'loaded\n' });
});

describe('files of the package', () => {
  test('name the places of the package, and nothing below /usr/local', async () => {
    for (const part of ['etc', 'usr/lib/systemd', 'usr/lib/tmpfiles.d', 'usr/share/pgcellar']) {
      const { stdout } = await run(['grep', '-rl', '/usr/local/bin/pgcellar', join(tree, part)]);
      expect(stdout).toBe('');
    }
    expect(await readFile(join(tree, 'usr/share/pgcellar/pgcellar.conf'), 'utf8')).toContain('/etc/pgcellar/conf.d');
  });

  test('hold a script that the shell takes for each step of an installation', async () => {
    const control = join(folder, 'control');
    const file = (await packages()).find((path) => path.includes('/pgcellar_')) ?? '';
    expect(await run(['dpkg-deb', '--control', file, control])).toMatchObject({ exitCode: 0 });
    for (const script of ['postinst', 'prerm', 'postrm']) {
      expect(await run(['sh', '-n', join(control, script)])).toMatchObject({ exitCode: 0, stderr: '' });
    }
    expect(await run(['grep', '-rn', '/var/lib/pgcellar', join(control, 'postrm')])).not.toMatchObject({
      stdout: expect.stringMatching(/\brm\b/) as string,
    });
  });

  test('complete in bash, zsh and fish, under our name and under that of Barman', async () => {
    for (const name of ['pgcellar', 'barman']) {
      expect(await run(['bash', '-n', join(tree, 'usr/share/bash-completion/completions', name)])).toMatchObject({
        exitCode: 0,
      });
      expect(await readFile(join(tree, 'usr/share/zsh/vendor-completions', `_${name}`), 'utf8')).toContain(`#compdef ${name}`);
      expect(await readFile(join(tree, 'usr/share/fish/vendor_completions.d', `${name}.fish`), 'utf8')).toContain(
        `-c ${name} `,
      );
    }
  });
});
