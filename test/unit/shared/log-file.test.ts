import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLogFile, redactSecrets } from '../../../src/shared/log-file.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../helpers/temporary-folder.ts';

const defaultFormat = '%(asctime)s [%(process)s] %(name)s %(levelname)s: %(message)s';

let folder: TemporaryFolder;
let path: string;
beforeEach(async () => {
  folder = await createTemporaryFolder('log');
  path = join(folder.path, 'var', 'log', 'pgcellar.log');
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

function openWith(more: { path?: string | undefined; format?: string; level?: string | number } = {}) {
  const stderr: string[] = [];
  const clock = { ms: 0, now: () => new Date(2026, 0, 31, 10, 5, 0, 123), elapsedMs: () => clock.ms };
  const log = openLogFile({
    path,
    format: defaultFormat,
    level: 'INFO',
    clock,
    pid: 4711,
    stderr: { write: (text) => stderr.push(text) },
    ...more,
  });
  return { log, clock, stderr };
}

const content = async () => await readFile(path, 'utf8');

test('a record says when, by which process and by which part of it', async () => {
  const { log } = openWith();
  log.info('started');
  log.named('backup').named('copy').error('boom');
  expect(await content()).toBe(
    '2026-01-31 10:05:00,123 [4711] pgcellar INFO: started\n2026-01-31 10:05:00,123 [4711] pgcellar.backup.copy ERROR: boom\n',
  );
});

test.each([
  { format: '%(process)d %(levelno)s %(message)s', line: '4711 30 w' },
  { format: '%(levelname)-8s|%(process)08d|%(name)10s|', line: 'WARNING |00004711|  pgcellar|' },
  { format: '100%% %(unknown)s %(message)s', line: '100% %(unknown)s w' },
])('the format $format gives $line', async ({ format, line }) => {
  openWith({ format }).log.warning('w');
  expect(await content()).toBe(`${line}\n`);
});

test.each([
  { level: 'DEBUG', kept: 'debug info warning error' },
  { level: 'NOTSET', kept: 'debug info warning error' },
  { level: 'INFO', kept: 'info warning error' },
  { level: 'warning', kept: 'warning error' },
  { level: 25, kept: 'warning error' },
  { level: '40', kept: 'error' },
  { level: 'CRITICAL', kept: '' },
  { level: 'nonsense', kept: 'info warning error' },
])('the level $level keeps: $kept', async ({ level, kept }) => {
  const { log } = openWith({ level, format: '%(message)s' });
  for (const name of ['debug', 'info', 'warning', 'error'] as const) log[name](name);
  expect((await content()).trim().split('\n').join(' ')).toBe(kept);
});

test('text of several lines stays one record, and nothing can pass for another', async () => {
  openWith({ format: '%(message)s' }).log.error('first\nsecond\r\nthird\rfourth\n');
  expect(await content()).toBe('first\n    second\n    third\n    fourth\n');
});

test('passwords are not written', async () => {
  openWith({ format: '%(message)s' }).log.info('connecting to host=x password=secret');
  expect(await content()).toBe('connecting to host=x password=*REDACTED*\n');
});

describe('when the file is rotated', () => {
  test.each([
    { fact: 'a moved file', rotate: async () => await rename(path, `${path}.1`) },
    { fact: 'a removed file', rotate: async () => await rm(path) },
    {
      fact: 'another file in its place',
      rotate: async () => {
        await rename(path, `${path}.1`);
        await writeFile(path, '');
      },
    },
    { fact: 'a removed folder', rotate: async () => await rm(join(folder.path, 'var'), { recursive: true }) },
  ])('$fact is left for a new one within a second', async ({ rotate }) => {
    const { log, clock, stderr } = openWith({ format: '%(message)s' });
    log.info('before');
    await rotate();
    clock.ms = 1000;
    log.info('after');
    expect(await content()).toBe('after\n');
    expect(stderr).toEqual([]);
  });

  test('it looks once a second only', async () => {
    const { log, clock } = openWith({ format: '%(message)s' });
    await rename(path, `${path}.1`);
    clock.ms = 999;
    log.info('still the old one');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('still the old one\n');
  });
});

test('two processes append to the same file', async () => {
  const [one, two] = [openWith({ format: '%(message)s' }), openWith({ format: '%(message)s' })];
  one.log.info('one');
  two.log.info('two');
  one.log.info('three');
  expect(await content()).toBe('one\ntwo\nthree\n');
});

test('without a path the log goes to stderr', () => {
  const { log, stderr } = openWith({ path: undefined, format: '%(message)s' });
  log.info('i');
  expect(stderr).toEqual(['i\n']);
});

test('a file that cannot be opened is told about once, and used as soon as it can be', async () => {
  await mkdir(path, { recursive: true });
  const { log, clock, stderr } = openWith({ format: '%(message)s' });
  log.info('one');
  clock.ms = 1000;
  log.info('two');
  expect(stderr).toEqual([`WARNING: the log file ${path} cannot be opened (EISDIR); logging to stderr\n`, 'one\n', 'two\n']);
  await rm(path, { recursive: true });
  clock.ms = 2000;
  log.info('three');
  expect(await content()).toBe('three\n');
});

test('a full disk is told about once, and stderr gets the records', () => {
  const { log, stderr } = openWith({ path: '/dev/full', format: '%(message)s' });
  log.info('one');
  log.info('two');
  expect(stderr).toEqual(['WARNING: the log file /dev/full cannot be written (ENOSPC); logging to stderr\n', 'one\n', 'two\n']);
});

test.each([
  { text: 'host=x password=secret dbname=y', shown: 'host=x password=*REDACTED* dbname=y' },
  { text: "password = 'two words' x", shown: 'password = *REDACTED* x' },
  { text: "password='it\\'s secret' x", shown: 'password=*REDACTED* x' },
  { text: "password='never closed", shown: 'password=*REDACTED*' },
  { text: "'host=x password=secret'", shown: "'host=x password=*REDACTED*'" },
  { text: 'PGPASSWORD=secret pg_dump', shown: 'PGPASSWORD=*REDACTED* pg_dump' },
  { text: 'password=secret\nnext', shown: 'password=*REDACTED*\nnext' },
  { text: 'password=\nnext', shown: 'password=\nnext' },
  { text: 'postgresql://me:secret@host/db', shown: 'postgresql://me:*REDACTED*@host/db' },
  { text: 'postgres://me:secret@host/db', shown: 'postgres://me:*REDACTED*@host/db' },
  { text: 'postgresql://me@host/db', shown: 'postgresql://me@host/db' },
  { text: 'no secret here', shown: 'no secret here' },
])('of $text is shown $shown', ({ text, shown }) => {
  expect(redactSecrets(text)).toBe(shown);
});
