// What lies in etc/ and docs/man: read by the programs that it is for.
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manPages } from '../../docs/generate-man.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const etc = join(root, 'etc');
const opened = new Opened();
let home: TestHome;

beforeAll(async () => {
  home = await opened.add(createTestHome());
});
afterAll(() => opened.close());

async function run(argv: readonly string[]): Promise<ProgramResult> {
  return await runProgram(argv, { env: home.env(), cwd: home.folder });
}

async function templates(): Promise<string[]> {
  return (await readdir(join(etc, 'servers'))).toSorted();
}

/** The sample configuration at places of this test; with `all`, also every setting that it shows as a comment. */
async function installed(template: string, { all = false } = {}): Promise<string> {
  const folder = await home.makeFolder(basename(template, '.conf-template'));
  const servers = join(folder, 'servers.d');
  await mkdir(servers, { recursive: true });
  const here = (text: string): string =>
    text
      .replaceAll('/var/lib/pgcellar', join(folder, 'home'))
      .replaceAll('/var/log/pgcellar', folder)
      .replaceAll('/run/pgcellar', folder)
      .replaceAll('/etc/pgcellar.d', servers)
      .replace('barman_user = pgcellar', `barman_user = ${userInfo().username}`);
  const sample = await readFile(join(etc, 'pgcellar.conf'), 'utf8');
  const path = join(folder, 'pgcellar.conf');
  await writeFile(path, here(all ? sample.replaceAll(/^;(?=\w+ = )/gm, '') : sample));
  await cp(join(etc, 'servers', template), join(servers, 'main.conf'));
  return path;
}

describe('the sample configuration with each template', () => {
  test('streaming, rsync and local are there', async () => {
    expect(await templates()).toEqual(['local.conf-template', 'rsync.conf-template', 'streaming.conf-template']);
  });

  test.each(['streaming', 'rsync', 'local'])('%s loads in pgcellar without a word', async (name) => {
    for (const all of [false, true]) {
      const config = await installed(`${name}.conf-template`, { all });
      const result = await runPgcellar(['-c', config, 'list-servers'], { home, config: false });
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
      expect(result.stdout).toMatch(/^main - PostgreSQL [^()]*\n$/); // neither disabled nor inactive
    }
  });

  describeWithOracle('and in Barman', () => {
    test.each(['streaming', 'rsync', 'local'])('%s loads', async (name) => {
      const config = await installed(`${name}.conf-template`);
      const result = await runOracle(['-c', config, 'list-servers', '--minimal'], { home, config: false });
      expect(result).toMatchObject({ exitCode: 0, stdout: 'main\n', stderr: '' });
    });
  });
});

describe('files for other programs', () => {
  test('systemd takes every unit', async () => {
    const folder = await home.makeFolder('units');
    const units = await readdir(join(etc, 'systemd'));
    for (const unit of units) {
      const text = await readFile(join(etc, 'systemd', unit), 'utf8');
      const program = text
        .replaceAll('/usr/local/bin/pgcellar', '/bin/true')
        .replace('User=pgcellar', `User=${userInfo().username}`);
      await writeFile(join(folder, unit.replace('@.', '@main.')), program);
    }
    const { stdout, stderr } = await run([
      'systemd-analyze',
      'verify',
      '--man=no',
      ...units.map((unit) => join(folder, unit.replace('@.', '@main.'))),
    ]);
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes(folder) || line.includes('pgcellar'))).toEqual([]);
  });

  test('systemd-sysusers and systemd-tmpfiles take theirs', async () => {
    expect(await run(['systemd-sysusers', '--dry-run', `--root=${home.folder}`, join(etc, 'pgcellar.sysusers')])).toMatchObject(
      {
        exitCode: 0,
      },
    );
    const lines = (await readFile(join(etc, 'pgcellar.tmpfiles'), 'utf8')).split('\n').filter((line) => line.startsWith('d '));
    expect(lines.map((line) => line.split(' ').slice(1, 3))).toEqual([
      ['/var/lib/pgcellar', '0750'],
      ['/var/log/pgcellar', '0750'],
      ['/run/pgcellar', '0750'],
    ]);
  });

  test('logrotate rotates the log', async () => {
    const folder = await home.makeFolder('logs');
    await writeFile(join(folder, 'pgcellar.log'), 'a line\n');
    const text = (await readFile(join(etc, 'pgcellar.logrotate'), 'utf8'))
      .replace('/var/log/pgcellar', folder)
      .replaceAll('pgcellar adm', `${userInfo().username} ${userInfo().username}`);
    const config = join(home.folder, 'logrotate.conf');
    await writeFile(config, text);
    await chmod(config, 0o644);
    const { exitCode, stderr } = await run(['logrotate', '--force', '--state', join(home.folder, 'state'), config]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect((await readdir(folder)).toSorted()).toEqual(['pgcellar.log', 'pgcellar.log.1']);
  });

  test('each line of the cron entry has five fields, a user, and a command that a shell takes', async () => {
    const lines = (await readFile(join(etc, 'pgcellar.cron'), 'utf8')).split('\n').filter((line) => /^[\d*]/.test(line));
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const [, user, command = ''] = /^(?:[\d*/,-]+ ){5}(\w+) (.*)$/.exec(line) ?? [];
      expect(user).toBe('pgcellar');
      expect(command).not.toContain('%'); // a new line, for cron
      expect(await run(['sh', '-n', '-c', command])).toMatchObject({ exitCode: 0 });
    }
  });
});

describe('manual pages', () => {
  let rendered = '';
  beforeAll(async () => {
    rendered = await home.makeFolder('man');
    const { exitCode, stderr } = await runProgram(
      [process.execPath, '--import', 'tsx', join(root, 'docs', 'build-man.ts'), rendered],
      {
        env: home.env(),
        cwd: root,
      },
    );
    if (exitCode !== 0) throw new Error(stderr);
  });

  test('are what the tables of the program say: npm run docs', async () => {
    const pages = await manPages();
    expect((await readdir(join(root, 'docs', 'man'))).toSorted()).toEqual(pages.map(({ file }) => file).toSorted());
    for (const { file, text } of pages) expect(await readFile(join(root, 'docs', 'man', file), 'utf8')).toBe(text);
  });

  test('render without a warning in groff, mandoc and man', async () => {
    const names = await readdir(rendered);
    expect(names).toContain('pgcellar.5');
    const files = names.map((name) => join(rendered, name));
    expect(await run(['mandoc', '-T', 'lint', '-W', 'warning', ...files])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    expect(await run(['groff', '-man', '-Tutf8', '-ww', '-z', ...files])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    const { stdout, stderr, exitCode } = await run(['man', '--warnings', '-l', join(rendered, 'pgcellar-check.1')]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(stdout).toContain('--nagios');
    expect(stdout).toMatch(/pgcellar-check\s+-\s+test\s+whether\s+servers/i);
  });
});

test('the polkit rule lets the user pgcellar start and stop receivers, and nobody do anything else', async () => {
  const text = await readFile(join(etc, 'polkit', '50-pgcellar-receive-wal.rules'), 'utf8');
  const answer = (user: string, verb: string, unit: string, id = 'org.freedesktop.systemd1.manage-units'): unknown => {
    let rule: ((action: unknown, subject: unknown) => unknown) | undefined;
    const polkit = {
      Result: { NOT_HANDLED: null, YES: 'yes' },
      addRule: (added: typeof rule) => {
        rule = added;
      },
    };
    runInNewContext(text, { polkit });
    const details: Record<string, string> = { verb, unit };
    return rule?.({ id, lookup: (key: string) => details[key] }, { user });
  };
  for (const verb of ['start', 'stop', 'restart'])
    expect(answer('pgcellar', verb, 'pgcellar-receive-wal@main.service')).toBe('yes');
  expect(answer('pgcellar', 'enable', 'pgcellar-receive-wal@main.service')).toBeNull();
  expect(answer('pgcellar', 'start', 'ssh.service')).toBeNull();
  expect(answer('pgcellar', 'start', 'pgcellar-receive-wal@../x.service')).toBeNull();
  expect(answer('nobody', 'start', 'pgcellar-receive-wal@main.service')).toBeNull();
  expect(answer('pgcellar', 'start', 'pgcellar-receive-wal@main.service', 'org.freedesktop.login1.reboot')).toBeNull();
});
