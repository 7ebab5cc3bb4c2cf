import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
let folder: string;
let copy: string;
let home: string;

/** What a clone of the work tree would hold: every file that git knows or would take, without what it ignores. */
async function copyWorkTree(): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: repository });
  for (const path of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(dirname(join(copy, path)), { recursive: true });
    await cp(join(repository, path), join(copy, path), { verbatimSymlinks: true });
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgcellar-copy-'));
  copy = join(folder, 'a copy with blanks');
  home = join(folder, 'home');
  await mkdir(home);
  await copyWorkTree();
  const env = { ...process.env, npm_config_update_notifier: 'false' };
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: copy, env });
  await run('npm', ['run', 'build'], { cwd: copy, env });
}, 300_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function call(program: string, words: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return await run(program, words, { cwd: '/', env: { PATH: process.env['PATH'], HOME: home } });
}

test('after npm ci --ignore-scripts and a build, the programs run from any copy of the folder', async () => {
  expect(await call(join(copy, 'bin', 'pgcellar'), ['--version'])).toEqual({ stdout: 'pgcellar 0.1.0\n', stderr: '' });
});

test.each(['pgcellar', 'pgcellar-wal-archive', 'pgcellar-wal-restore'])(
  '%s is reachable through a link from elsewhere',
  async (name) => {
    const link = join(folder, name);
    await symlink(join(copy, 'bin', name), link);
    const { stdout } = await call(link, ['--version']);
    expect(stdout).toMatch(/^pgcellar(-wal-\w+)? 0\.1\.0\n$/);
  },
);

test.each(['barman', 'barman-wal-archive', 'barman-wal-restore'])(
  'through a link named %s it speaks as that program',
  async (name) => {
    const link = join(folder, name);
    await symlink(join(copy, 'bin', name.replace('barman', 'pgcellar')), link);
    const { stdout } = await call(link, ['--version']);
    expect(stdout).toContain('3.20.1');
    expect(stdout).toContain('pgcellar 0.1.0');
  },
);

test('no package that is needed at run time must run a script when it is installed', async () => {
  const { stdout } = await run('npm', ['query', '.prod', '--json'], { cwd: copy });
  const installed = JSON.parse(stdout) as { name: string; scripts?: Record<string, string> }[]; // npm's documented output
  expect(installed.length).toBeGreaterThan(5);
  const optionalAccelerators = ['cpu-features', 'ssh2']; // ssh2 builds one when it may, and runs without it
  const scripted = installed.filter(
    ({ scripts = {} }) => 'install' in scripts || 'preinstall' in scripts || 'postinstall' in scripts,
  );
  expect(scripted.map(({ name }) => name).filter((name) => !optionalAccelerators.includes(name))).toEqual([]);
});
