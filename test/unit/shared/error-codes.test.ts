import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ErrorCode, exitCodeOf } from '../../../src/shared/error-codes.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../../src/shared/operator-error.ts';

const source = new URL('../../../src', import.meta.url).pathname;

test('wrong usage ends with 2, a bad name or output of get-wal with 3, WAL that is there and unreadable above 125, every other failure with 1', () => {
  const codes = (exitCode: number) => Object.keys(exitCodeOf).filter((code) => exitCodeOf[code as ErrorCode] === exitCode); // its keys
  expect(codes(2)).toEqual(['usage']);
  expect(codes(3)).toEqual(['wal-name-invalid', 'wal-output-unwritable']);
  expect(codes(200)).toEqual(['wal-unreadable']);
  expect(codes(1)).toHaveLength(Object.keys(exitCodeOf).length - 4);
});

test('every code is used somewhere', async () => {
  const names = (await readdir(source, { recursive: true })).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('error-codes.ts'),
  );
  const text = (await Promise.all(names.map((name) => readFile(join(source, name), 'utf8')))).join('');
  expect(Object.keys(exitCodeOf).filter((code) => !text.includes(`'${code}'`))).toEqual([]);
});

test('an expected failure carries its exit code, hint and cause', () => {
  const cause = new Error('why');
  expect(new OperatorError('usage', 'text', { hint: 'advice', cause })).toMatchObject({ exitCode: 2, hint: 'advice', cause });
  expect('cause' in new OperatorError('usage', 'text')).toBe(false);
});

test('anything that was thrown has a text; only errors of the system have a code', () => {
  expect([messageOf(new Error('text')), messageOf('bare')]).toEqual(['text', 'bare']);
  expect(systemCodeOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
  expect(systemCodeOf(Object.assign(new Error('x'), { code: 7 }))).toBeUndefined();
  expect(systemCodeOf({ code: 'ENOENT' })).toBeUndefined();
});
