// What the global options do to the output, seen from outside: -q, -d, colours on terminals and pipes, abbreviations, the log file while
// somebody rotates it, and secrets that must stand nowhere.
import { existsSync } from 'node:fs';
import { readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

const secret = 'open-sesame';
const server = {
  conninfo: `host=127.0.0.1 port=1 user=barman dbname=postgres password=${secret}`,
  streaming_conninfo: `postgresql://streaming:${secret}@127.0.0.1:1/postgres`,
  backup_method: 'postgres',
  archiver: 'on',
};
const escape = '\u001B';

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome({
    servers: {
      main: { ...server, backup_schedule: '0 4 1 1 *' },
      plain: { ...server, streaming_conninfo: 'host=127.0.0.1 port=1 user=streaming' },
    },
  });
  await writeCatalog(home, 'main');
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

const run = async (...words: readonly string[]) => await runPgcellar(words, { home });

describe('colours', () => {
  test('are not on a pipe, and are when asked for', async () => {
    expect((await run('check', 'main')).stdout).not.toContain(escape);
    const { stdout } = await run('--color', 'always', 'check', 'main');
    expect(stdout).toMatch(/^\tPostgreSQL: \u001B\[31mFAILED\u001B\[0m/m);
    expect(stdout).toMatch(/^\tdirectories: \u001B\[32mOK\u001B\[0m$/m);
    const { stderr } = await run('--colour=always', 'show-backup', 'main', 'nothing');
    expect(stderr).toMatch(/^\u001B\[31mERROR: [^\n]*\u001B\[0m$/m);
  });

  test.each([
    { title: 'are on a terminal', words: [], env: {}, isColoured: true },
    { title: 'are not when NO_COLOR is set', words: [], env: { NO_COLOR: '1' }, isColoured: false },
    { title: 'are when NO_COLOR is empty', words: [], env: { NO_COLOR: '' }, isColoured: true },
    {
      title: 'are when asked for, whatever NO_COLOR says',
      words: ['--color', 'always'],
      env: { NO_COLOR: '1' },
      isColoured: true,
    },
    { title: 'are not when they are not wanted', words: ['--color', 'never'], env: {}, isColoured: false },
  ])('$title', async ({ words, env, isColoured }) => {
    const { stdout } = await runPgcellar([...words, 'check', 'main'], { home, terminal: true, env: { TERM: 'xterm', ...env } });
    expect(stdout).toContain('PostgreSQL');
    expect(stdout.includes(`${escape}[31m`)).toBe(isColoured);
  });

  test('are never in JSON', async () => {
    expect((await run('--color', 'always', '-f', 'json', 'check', 'main')).stdout).not.toContain(escape);
  });
});

describeWithOracle('beside the real Barman', () => {
  test('the same words have the same colours', async () => {
    for (const words of [
      ['--color', 'always', 'check', 'nobody'],
      ['--color', 'always', 'show-backup', 'plain', 'nothing'],
    ]) {
      const [mine, real] = await Promise.all([runPgcellar(words, { home, as: 'barman' }), runOracle(words, { home })]);
      expect(mine.exitCode).toBe(real.exitCode);
      const errorOf = ({ stderr }: ProgramResult) => stderr.split('\n').find((line) => line.includes('ERROR'));
      expect(errorOf(mine)).toBe(errorOf(real));
      // Barman does not know backup_schedule
      expect(real.stderr).toMatch(/^\u001B\[33mWARNING: [^\n]*\u001B\[0m$/m);
    }
  });
});

describe('-q and -d', () => {
  test('quiet is silent on standard output; errors are still told', async () => {
    expect(await run('-q', 'status', 'main')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    expect(await run('--quiet', 'show-backup', 'main', 'nothing')).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^ERROR: /) as string,
    });
  });

  test('debug changes nothing of the result', async () => {
    const [plain, debug] = [await run('list-backups', 'main'), await run('-d', 'list-backups', 'main')];
    expect(debug).toMatchObject({ exitCode: 0, stdout: plain.stdout });
  });
});

test('the log tells at DEBUG what ran and what was found well, and at INFO does not', async () => {
  await using made = await createTestHome({ servers: { main: { ...server, pre_archive_script: 'exit 3' } } });
  await writeCatalog(made, 'main');
  for (const level of ['INFO', 'DEBUG']) {
    const before = (await made.log().catch(() => '')).length;
    await runPgcellar(['--log-level', level, 'check', 'main'], { home: made });
    const arrived = made.server('main', 'incoming', `00000001000000010000000${level === 'INFO' ? '1' : '2'}`);
    await writeFile(arrived, 'content');
    await utimes(arrived, 1_770_000_000, 1_770_000_000); // nobody writes it any more
    await runPgcellar(['--log-level', level, 'archive-wal', 'main'], { home: made });
    const written = (await made.log()).slice(before);
    expect(written).toMatch(/ WARNING: pre_archive_script ended with 3/);
    expect(/ DEBUG: check 'directories' of server 'main' passes$/m.test(written)).toBe(level === 'DEBUG');
    expect(/ DEBUG: running pre_archive_script$/m.test(written)).toBe(level === 'DEBUG');
  }
});

test('long options, global ones and those of a verb, may be abbreviated while that is clear', async () => {
  const whole = await run('--format', 'json', 'list-backups', '--minimal', 'main');
  expect(await run('--form', 'json', 'list-backups', '--mini', 'main')).toEqual(whole);
  expect(await run('--form=json', 'list-backups', '--m', 'main')).toEqual(whole);
  expect(await run('--co', 'x', 'list-backups', 'main')).toMatchObject({ exitCode: 2, stdout: '' });
});

test('a log file that somebody renames meanwhile goes on in a new one', async () => {
  await using running = await spawnPgcellar(['schedule'], { home });
  const rotated = join(home.folder, 'barman.log.1');
  const record = new RegExp(`^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d,\\d{3} \\[${String(running.pid)}\\] `, 'm');
  await waitFor('it logs', async () => record.test(await home.log()), { explain: () => running.stderr() });
  await rename(home.logFile, rotated);
  await waitFor('the new file has records of it', async () => {
    running.kill('SIGHUP'); // which it logs; the log looks once a second whether the file is another one
    return existsSync(home.logFile) && record.test(await home.log()); // what it started logs there, too
  });
  running.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ exitCode: 0 });
  const [before, after] = [await readFile(rotated, 'utf8'), await home.log()];
  expect(before).toMatch(record);
  expect(after).toMatch(record);
});

test('a password stands in no output and not in the log', async () => {
  const outputs: string[] = [];
  for (const words of [
    ['show-servers', 'main'],
    ['-f', 'json', 'show-servers', 'main'],
    ['-d', 'check', 'main'],
    ['-f', 'json', 'check', 'main'],
    ['backup', 'main'],
    ['replication-status', 'main'],
    ['diagnose'],
    ['doctor', 'main'],
  ]) {
    const { stdout, stderr } = await run('--log-level', 'DEBUG', ...words);
    outputs.push(stdout, stderr);
  }
  expect(outputs.join('')).toContain('*REDACTED*');
  expect(outputs.join('')).not.toContain(secret);
  expect(await home.log()).not.toContain(secret);
});
