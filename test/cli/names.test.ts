// Names, words and shapes that other programs rely on: what it is called and what it then says, options in every spelling, the
// configuration that counts, JSON, and output that nobody reads to its end.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programPath, runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const { weekly, firstTwin, secondTwin, failed } = writtenBackups;
const segment = '000000010000000000000003';

/** Nobody listens on port 1. */
const server: IniSection = {
  conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres',
  backup_method: 'postgres',
  streaming_archiver: 'on',
  archiver: 'off',
  slot_name: 'barman',
};

// What only reads shares one home.
let home: TestHome;
beforeAll(async () => {
  home = await createTestHome({ servers: { main: { ...server, description: 'Überall' } } });
  await writeCatalog(home, 'main');
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

describe('the name it is called by', () => {
  test.each([
    { as: 'pgcellar', word: '--version', line: 'pgcellar 0.1.0' },
    { as: 'pgcellar', word: '-v', line: 'pgcellar 0.1.0' },
    { as: 'barman', word: '--version', line: '3.20.1 Barman (pgcellar 0.1.0)' },
    { as: 'barman', word: '-v', line: '3.20.1 Barman (pgcellar 0.1.0)' },
    { as: 'pgcellar-wal-archive', word: '--version', line: 'pgcellar-wal-archive 0.1.0' },
    { as: 'pgcellar-wal-restore', word: '--version', line: 'pgcellar-wal-restore 0.1.0' },
    { as: 'barman-wal-archive', word: '--version', line: 'barman-wal-archive 3.20.1 (pgcellar 0.1.0)' },
    { as: 'barman-wal-restore', word: '--version', line: 'barman-wal-restore 3.20.1 (pgcellar 0.1.0)' },
  ] as const)('$as $word needs no configuration and says $line', async ({ as, word, line }) => {
    expect(await runPgcellar([word], { home, as, config: false })).toMatchObject({
      exitCode: 0,
      stdout: `${line}\n`,
      stderr: '',
    });
  });

  test("the first word of Barman's version is a number with dots, as exporters read it", async () => {
    const { stdout } = await runPgcellar(['--version'], { home, as: 'barman', config: false });
    expect(stdout.split(' ')[0]).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test.each([
    { as: 'pgcellar', words: ['backup'], says: /^usage: pgcellar backup .*\npgcellar backup: error: / },
    { as: 'barman', words: ['backup'], says: /^usage: barman backup \[-h\][^]*\nbarman backup: error: / },
    { as: 'pgcellar', words: ['frobnicate'], says: /^usage: pgcellar .*\npgcellar: error: .*'pgcellar --help'/ },
    {
      as: 'barman',
      words: ['frobnicate'],
      says: /^usage: barman \[-h\][^]*\nbarman: error: argument command: invalid choice: 'frobnicate'/,
    },
  ] as const)('the usage of $words speaks of $as', async ({ as, words, says }) => {
    const { exitCode, stdout, stderr } = await runPgcellar(words, { home, as });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });

  test.each([
    { words: ['--help'], begins: 'usage: barman ' },
    { words: ['-h'], begins: 'usage: barman ' },
    { words: ['restore', '--help'], begins: 'Usage: barman restore ' },
    { words: ['restore', 'main', '-h'], begins: 'Usage: barman restore ' },
  ])('the help of $words needs no configuration', async ({ words, begins }) => {
    const { exitCode, stdout, stderr } = await runPgcellar(words, { home, as: 'barman', config: false });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.slice(0, begins.length).toLowerCase()).toBe(begins.toLowerCase());
  });

  test.each([[[]], [['help']]])('the verb %j shows the help, as barman only with a configuration', async (words) => {
    expect(await runPgcellar(words, { home })).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^usage: pgcellar /) as string,
    });
    const withoutConfiguration = ['-c', '/none', ...words];
    expect(await runPgcellar(withoutConfiguration, { home, config: false })).toMatchObject({ exitCode: 0, stderr: '' });
    const asBarman = await runPgcellar(withoutConfiguration, { home, config: false, as: 'barman' });
    expect(asBarman).toMatchObject({ exitCode: 1, stdout: '' });
  });

  test.each([
    { as: 'pgcellar', prefix: 'PGCELLAR' },
    { as: 'barman', prefix: 'BARMAN' },
  ] as const)('Nagios reads $prefix from $as', async ({ as, prefix }) => {
    const { exitCode, stdout, stderr } = await runPgcellar(['check', '--nagios', 'main'], { home, as });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(
        `^${prefix} CRITICAL - server main has issues \\* main FAILED: .*PostgreSQL.*\\|main=\\d+B main_wals=\\d+B\nmain\\.`,
      ),
    );
  });

  test('Nagios reads one line about an unknown server, and nothing else', async () => {
    const result = await runPgcellar(['check', '--nagios', 'other'], { home, as: 'barman' });
    expect(result).toMatchObject({ exitCode: 2, stdout: 'BARMAN CRITICAL - Global configuration errors\n', stderr: '' });
  });

  test('Nagios reads no warning of the configuration', async () => {
    await using other = await createTestHome({ servers: { main: { ...server, colour: 'red' } } });
    expect(await runPgcellar(['check', '--nagios', 'main'], { home: other })).toMatchObject({ exitCode: 2, stderr: '' });
  });

  test('Nagios reads no JSON', async () => {
    const result = await runPgcellar(['-f', 'json', 'check', '--nagios', 'other'], { home, as: 'barman' });
    expect(result).toMatchObject({ exitCode: 2, stdout: 'BARMAN CRITICAL - Global configuration errors\n', stderr: '' });
  });

  test('the other names of a verb do the same', async () => {
    for (const [verb, other] of [
      ['list-servers', 'list-server'],
      ['list-backups', 'list-backup'],
      ['show-backup', 'show-backups'],
    ]) {
      const words = verb === 'list-servers' ? [] : verb === 'list-backups' ? ['main'] : ['main', weekly];
      const [one, two] = [await run([verb!, ...words]), await run([other!, ...words])];
      expect(one).toMatchObject({ exitCode: 0 });
      expect(two).toEqual(one);
    }
  });
});

describe('options', () => {
  test.each([
    { title: 'a word apart', words: ['list-files', '--target', 'data', 'main', weekly] },
    { title: 'a word behind an equals sign', words: ['list-files', '--target=data', 'main', weekly] },
    { title: 'an abbreviation', words: ['list-files', '--targ', 'data', 'main', weekly] },
    { title: 'an abbreviation with an equals sign', words: ['list-files', '--t=data', 'main', weekly] },
    {
      title: 'the last of several',
      words: ['list-files', '--target', 'wal', '--target=full', '--target', 'data', 'main', weekly],
    },
    { title: 'between the arguments', words: ['list-files', 'main', '--target', 'data', weekly] },
    { title: 'after the arguments', words: ['list-files', 'main', weekly, '--target', 'data'] },
    { title: 'before the end of options', words: ['list-files', '--target', 'data', '--', 'main', weekly] },
  ])('$title', async ({ words }) => {
    const { exitCode, stdout, stderr } = await run(words);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const paths = stdout.trimEnd().split('\n');
    expect(paths.filter((path) => path.includes('/wals/'))).toEqual([]);
    expect(paths).toContain(home.server('main', 'base', weekly, 'data', 'PG_VERSION'));
  });

  test('a letter with its value, apart or not', async () => {
    for (const words of [['-o', home.folder], [`-o${home.folder}`], [`--output-dir=${home.folder}`]]) {
      const result = await run(['get-wal', ...words, 'main', segment]);
      expect(result).toMatchObject({ exitCode: 0, stderr: '' });
      expect(result.stdout).toContain(join(home.folder, segment));
    }
    expect(await readFile(join(home.folder, segment), 'utf8')).toMatch(/^content of segment 3\0/);
  });

  test.each([
    { words: ['--get-wal', '--no-get-wal'], fetches: false },
    { words: ['--no-get-wal', '--get-wal'], fetches: true },
  ])('of $words the last one counts', async ({ words, fetches }) => {
    const destination = join(home.folder, `restored-${String(fetches)}`);
    expect(await run(['restore', ...words, 'main', firstTwin, destination])).toMatchObject({ exitCode: 0 });
    const settings = await readFile(join(destination, 'postgresql.auto.conf'), 'utf8').catch(() => '');
    expect(settings.includes('get-wal')).toBe(fetches);
  });

  test.each([
    { title: 'apart', words: (path: string) => ['-c', path] },
    { title: 'together', words: (path: string) => [`-c${path}`] },
    { title: 'in full', words: (path: string) => ['--config', path] },
    { title: 'with an equals sign', words: (path: string) => [`--config=${path}`] },
    { title: 'abbreviated', words: (path: string) => ['--conf', path] },
    { title: 'more than once', words: (path: string) => ['-c', '/none', '-c', path] },
  ])('a global option $title', async ({ words }) => {
    const result = await runPgcellar([...words(home.configFile), 'list-servers', '--minimal'], { home, config: false });
    expect(result).toMatchObject({ exitCode: 0, stdout: 'main\n', stderr: '' });
  });

  test('a global option after the verb belongs to nobody', async () => {
    for (const words of [['-c', home.configFile], ['-q'], ['-f', 'json'], ['--log-level', 'DEBUG']]) {
      expect(await run(['list-servers', ...words])).toMatchObject({ exitCode: 2, stdout: '' });
    }
  });

  test('quiet drops what is said, not what went wrong', async () => {
    expect(await run(['-q', 'list-backups', 'main'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    const { exitCode, stdout, stderr } = await run(['-q', 'show-backup', 'main', 'monthly']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^ERROR: Unknown backup 'monthly'/);
  });

  test('quiet does not drop the bytes of a WAL file', async () => {
    const { exitCode, stdout, stderr } = await run(['-q', 'get-wal', 'main', segment]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^content of segment 3\0/);
  });

  test('servers are worked on in the order of their names, each once', async () => {
    await using two = await createTestHome({ servers: { zoo: server, ant: server } });
    for (const name of ['zoo', 'ant']) await writeCatalog(two, name);
    const { stdout } = await runPgcellar(['list-backups', 'zoo', 'ant', 'zoo'], { home: two });
    const names = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0]);
    expect(names).toEqual([...Array<string>(4).fill('ant'), ...Array<string>(4).fill('zoo')]);
    expect(await runPgcellar(['list-backups', 'all'], { home: two })).toMatchObject({ exitCode: 0, stdout });
  });
});

describe('the configuration that counts', () => {
  let places: TestHome;
  beforeAll(async () => {
    places = await createTestHome();
    for (const name of ['option', 'first', 'second', 'user/.pgcellar', 'user/.barman']) await writeOne(name);
  });
  afterAll(async () => {
    await places[Symbol.asyncDispose]();
  });

  /** A configuration with one server that is named after its file. */
  async function writeOne(name: string): Promise<void> {
    const text = await readFile(places.configFile, 'utf8');
    const lines = text.split('\n').filter((line) => !line.startsWith('configuration_files_directory'));
    const server = `by-${name.replace('user/.', 'home-')}`;
    await places.writeFile(`${name}.conf`, `${lines.join('\n')}\n[${server}]\nactive = false\ndescription = x\n`);
  }

  const at = (name: string): string => join(places.folder, `${name}.conf`);

  test.each([
    {
      title: '-c before all',
      words: () => ['-c', at('option')],
      env: () => ({ PGCELLAR_CONFIG_FILE: at('first'), BARMAN_CONFIG_FILE: at('second') }),
      found: 'option',
    },
    {
      title: 'then PGCELLAR_CONFIG_FILE',
      words: () => [],
      env: () => ({ PGCELLAR_CONFIG_FILE: at('first'), BARMAN_CONFIG_FILE: at('second') }),
      found: 'first',
    },
    { title: 'then BARMAN_CONFIG_FILE', words: () => [], env: () => ({ BARMAN_CONFIG_FILE: at('second') }), found: 'second' },
    {
      title: 'a variable that is empty is none',
      words: () => [],
      env: () => ({ PGCELLAR_CONFIG_FILE: '', BARMAN_CONFIG_FILE: at('second') }),
      found: 'second',
    },
    { title: "then the user's own file", words: () => [], env: () => ({}), found: 'home-pgcellar' },
  ])('$title', async ({ words, env, found }) => {
    const result = await runPgcellar([...words(), 'list-servers', '--minimal'], { home: places, config: false, env: env() });
    expect(result).toMatchObject({ exitCode: 0, stdout: `by-${found}\n`, stderr: '' });
  });

  test("and Barman's own file of the user last", async () => {
    const userHome = await places.makeFolder('other');
    await writeFile(join(userHome, '.barman.conf'), await readFile(at('user/.barman'), 'utf8'));
    const result = await runPgcellar(['list-servers', '--minimal'], { home: places, config: false, env: { HOME: userHome } });
    expect(result).toMatchObject({ exitCode: 0, stdout: 'by-home-barman\n', stderr: '' });
  });
});

describe('JSON', () => {
  test.each([
    { words: ['list-servers'], exitCode: 0, keys: ['main'] },
    { words: ['list-backups', 'main'], exitCode: 0, keys: ['main'] },
    { words: ['list-backups', '--minimal', 'main'], exitCode: 0, keys: ['main'] },
    { words: ['show-backup', 'main', weekly], exitCode: 0, keys: ['main'] },
    { words: ['show-servers', 'main'], exitCode: 0, keys: ['main', 'pgcellar'] },
    { words: ['status', 'main'], exitCode: 0, keys: ['main', 'pgcellar'] },
    { words: ['list-files', 'main', weekly], exitCode: 0, keys: ['_INFO'] },
    { words: ['check', 'main'], exitCode: 1, keys: ['main'] },
    { words: ['show-backup', 'main', 'monthly'], exitCode: 1, keys: ['_ERROR'] },
    { words: ['list-backups', 'main', 'other'], exitCode: 1, keys: ['_ERROR', 'main'] },
    { words: ['switch-wal', 'main'], exitCode: 1, keys: ['_ERROR'] },
    { words: ['get-wal', 'main', 'x'], exitCode: 3, keys: ['_ERROR'] },
  ])('one object for $words', async ({ words, exitCode, keys }) => {
    const result = await run(['-f', 'json', ...words]);
    expect({ exitCode: result.exitCode, stderr: result.stderr }).toEqual({ exitCode, stderr: '' });
    const value = JSON.parse(result.stdout) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(keys);
    expect(withoutNumbers(result.stdout)).toBe(withoutNumbers(asPythonWritesIt(value)));
  });

  test('texts beyond ASCII are escaped', async () => {
    expect((await run(['-f', 'json', 'list-servers'])).stdout).toBe('{"main": {"description": "\\u00dcberall"}}');
  });

  test('the list of backups has what exporters read', async () => {
    const { stdout } = await run(['-f', 'json', 'list-backups', 'main']);
    const { main } = JSON.parse(stdout) as { main: Record<string, unknown>[] };
    expect(main.map((backup) => backup['backup_id'])).toEqual([failed, secondTwin, firstTwin, weekly]);
    expect(main[0]).toEqual({ backup_id: failed, backup_type: 'full', status: 'FAILED' });
    expect(main[3]).toMatchObject({
      backup_name: 'weekly',
      status: 'DONE',
      size_bytes: 24_000_000 + 16 * 1024 * 1024,
      wal_size_bytes: 32 * 1024 * 1024,
      retention_status: '-',
    });
  });

  test('quiet prints nothing at all', async () => {
    expect(await run(['-q', '-f', 'json', 'list-servers'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    expect(await run(['-q', '-f', 'json', 'show-backup', 'main', 'monthly'])).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: '',
    });
  });

  test('messages before the configuration is read are text', async () => {
    const missing = await runPgcellar(['-f', 'json', '-c', '/none', 'list-servers'], { home, config: false });
    expect(missing).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/^ERROR: /) as string });
    expect(await run(['-f', 'json', 'backup'])).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/^usage: /) as string,
    });
  });

  test('warnings of the configuration are in it', async () => {
    await using other = await createTestHome({ servers: { main: { ...server, colour: 'red' } } });
    const { stdout, stderr } = await runPgcellar(['-f', 'json', 'list-servers'], { home: other });
    expect(stderr).toBe('');
    const value = JSON.parse(stdout) as { _WARNING: string[] };
    expect(value._WARNING).toEqual([expect.stringContaining('"colour" in [main]')]);
  });
});

describe('output that is not read to its end', () => {
  let large: TestHome;
  beforeAll(async () => {
    large = await createTestHome({ servers: { main: server } });
    await writeCatalog(large, 'main');
    const folder = large.server('main', 'base', weekly, 'data', 'many');
    await mkdir(folder);
    for (let number = 0; number < 2000; number++) await writeFile(join(folder, `${String(number)}-${'x'.repeat(100)}`), '');
    await writeFile(large.server('main', 'wals', '0000000100000000', segment), Buffer.alloc(4 << 20, 'WAL'));
  });
  afterAll(async () => {
    await large[Symbol.asyncDispose]();
  });

  /** Runs it before `| head -c 10` or `> /dev/full`; the last word of what is printed is its exit code. */
  async function shell(tail: string, words: readonly string[]): Promise<ProgramResult> {
    const argv = [
      'bash',
      '-c',
      `"$@" ${tail}; echo " \${PIPESTATUS[0]}"`,
      'bash',
      await programPath(large),
      '-c',
      large.configFile,
      ...words,
    ];
    return await runProgram(argv, settingsOf({ home: large }));
  }

  test.each([{ words: ['list-files', 'main', weekly] }, { words: ['-f', 'json', 'list-files', 'main', weekly] }])(
    'a reader who had enough of $words is no failure',
    async ({ words }) => {
      const { stdout, stderr } = await shell('| head -c 10', words);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/ 0\n$/);
    },
  );

  test('a WAL file that nobody reads to its end is a failure', async () => {
    const { stdout, stderr } = await shell('| head -c 10', ['get-wal', 'main', segment]);
    expect(stderr).toBe('ERROR: cannot write the WAL file to standard output: EPIPE\n');
    expect(stdout).toBe('WALWALWALW 1\n');
  });

  test.each([
    { words: ['get-wal', 'main', segment], says: 'ERROR: cannot write the WAL file to standard output: ENOSPC\n' },
    { words: ['get-wal', '--gzip', 'main', segment], says: 'ERROR: cannot write the WAL file to standard output: ENOSPC\n' },
    { words: ['list-backups', 'main'], says: 'ERROR: cannot write to standard output: ENOSPC\n' },
    { words: ['-f', 'json', 'list-backups', 'main'], says: 'ERROR: cannot write to standard output: ENOSPC\n' },
    { words: ['--help'], says: 'ERROR: cannot write to standard output: ENOSPC\n' },
    { words: ['--version'], says: 'ERROR: cannot write to standard output: ENOSPC\n' },
  ])('a full disk below $words is one line and a failure', async ({ words, says }) => {
    expect(await shell('> /dev/full', words)).toMatchObject({ stdout: ' 1\n', stderr: says });
  });
});

async function run(words: readonly string[]): Promise<ProgramResult> {
  return await runPgcellar(words, { home });
}

/** Python writes 1.0 and 3.4e-05 where we would not. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/(?<=": )-?\d[\d.e+-]*(?=[,}])/g, '0');
}

/** Sorted keys, a blank behind each colon and comma, ASCII alone, no line end. */
function asPythonWritesIt(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(asPythonWritesIt).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${asPythonWritesIt(key)}: ${asPythonWritesIt(item)}`).join(', ')}}`;
  }
  return JSON.stringify(value).replaceAll(
    /[^\0-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
