import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

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

describe('the package that npm pack makes', () => {
  let scratch: string;

  /** The lines of the block of docs/first-server.md that follows a mark, with the paths of a scratch root. */
  async function documentedLines(mark: string): Promise<string> {
    const text = await readFile(join(copy, 'docs', 'first-server.md'), 'utf8');
    const block = new RegExp(`<!-- ${mark} -->\n\`\`\`sh\n(.*?)\`\`\``, 's').exec(text)?.[1];
    if (block === undefined) throw new Error(`docs/first-server.md has no block ${mark}`);
    return block.replaceAll(/(?<=[\s])\/(?=usr\/local|etc\/)/g, `${scratch}/`);
  }

  beforeAll(async () => {
    scratch = join(folder, 'root');
    await mkdir(join(scratch, 'usr', 'local'), { recursive: true });
    await rm(join(copy, 'dist'), { recursive: true }); // a clone has none
    const lines = (await documentedLines('install')).replace('npm ci --ignore-scripts && ', '');
    await run('sh', ['-e', '-c', lines], { cwd: copy, env: { ...process.env, npm_config_update_notifier: 'false' } });
  }, 300_000);

  test('holds the built program and the manual pages', async () => {
    const installed = join(scratch, 'usr', 'local', 'lib', 'node_modules', 'pgcellar');
    expect(await readdir(join(installed, 'dist', 'cli'))).toContain('main.cjs');
    expect(await readdir(join(installed, 'dist', 'man'))).toContain('pgcellar.1');
    expect(await readdir(installed)).not.toContain('test');
  });

  test('has programs that run where it is installed', async () => {
    for (const name of ['pgcellar', 'pgcellar-wal-archive', 'pgcellar-wal-restore']) {
      expect((await call(join(scratch, 'usr', 'local', 'bin', name), ['--version'])).stdout).toBe(`${name} 0.1.0\n`);
    }
    const config = join(folder, 'pgcellar.conf');
    const lines = [
      '[pgcellar]',
      `barman_user = ${userInfo().username}`,
      `barman_home = ${home}`,
      '[main]',
      'description = here',
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    const { stdout } = await call(join(scratch, 'usr', 'local', 'bin', 'pgcellar'), ['-c', config, 'list-servers']);
    expect(stdout).toContain('main - here');
  });

  test('has files for other programs, which call the programs where they are installed', async () => {
    await run('sh', ['-e', '-c', await documentedLines('install-etc')]);
    const etc = (await readdir(join(scratch, 'etc'), { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const packaged = join(scratch, 'usr', 'local', 'lib', 'node_modules', 'pgcellar', 'etc');
    const all = (await readdir(packaged, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(etc.length).toBe(all.filter(({ parentPath }) => !parentPath.endsWith('/servers')).length);
    const called = new Set<string>();
    for (const { parentPath, name } of etc) {
      const text = await readFile(join(parentPath, name), 'utf8');
      for (const [path] of text.matchAll(/\/[\w/-]*bin\/pgcellar[\w-]*/g)) called.add(path);
    }
    expect([...called]).toEqual(['/usr/local/bin/pgcellar']);
  });
});

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
