import { expect, test } from 'vitest';
import { failureOf, lastLines } from '../../../../src/transport/programs/program-result.ts';

const result = { argv: ['/bin/cp', "it's"], exitCode: 1, signal: undefined, stdout: '', stderr: 'a\n\n b \nc\nd\n' };

test('a failure tells the exit code, the last words and the command', () => {
  expect(failureOf(result, 'the copy')).toMatchObject({
    code: 'command-failed',
    message: 'the copy failed (exit code 1): b | c | d',
    hint: `the command was: /bin/cp 'it'"'"'s'`,
  });
});

test('a signal is told instead of an exit code, and silence as it is', () => {
  const killed = { ...result, exitCode: undefined, signal: 'SIGKILL' as const, stderr: '' };
  expect(failureOf(killed, 'the copy').message).toBe('the copy failed (signal SIGKILL)');
});

test('of fewer lines than asked for all are given', () => {
  expect(lastLines('only\n', 3)).toBe('only');
  expect(lastLines('', 3)).toBe('');
});
