import { expect, test } from 'vitest';
import { withRetries } from '../../../src/restore/with-retries.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';
import { aContext } from './restore-context.ts';

const how = { retryTimes: 2, retrySleepSeconds: 30 };

function aStage(failures: readonly OperatorError[]) {
  const slept: number[] = [];
  const attempts: boolean[] = [];
  const clock = { ...aContext().clock, sleep: async (ms: number) => await Promise.resolve(void slept.push(ms)) };
  const context = aContext({ clock });
  const work = async (isRepeated: boolean): Promise<string> => {
    const failure = failures[attempts.length];
    attempts.push(isRepeated);
    if (failure !== undefined) throw failure;
    return await Promise.resolve('done');
  };
  return { slept, attempts, context, work };
}

test('what fails for a moment is done again after a pause, and is told that something may be left', async () => {
  const { slept, attempts, context, work } = aStage([new OperatorError('file-unwritable', 'cannot write /x: EIO')]);
  expect(await withRetries(how, context, work)).toBe('done');
  expect({ slept, attempts }).toEqual({ slept: [30_000], attempts: [false, true] });
  expect(context.told).toEqual(['WARNING: cannot write /x: EIO; 2 attempts left, the next one in 30 s']);
});

test('as often as asked for', async () => {
  const failure = new OperatorError('command-failed', 'tar failed');
  const { attempts, context, work } = aStage([failure, failure, failure]);
  await expect(withRetries(how, context, work)).rejects.toBe(failure);
  expect(attempts).toHaveLength(3);
});

test('a backup that is damaged stays so', async () => {
  const { attempts, context, work } = aStage([new OperatorError('backup-not-usable', 'the tar file is damaged')]);
  await expect(withRetries(how, context, work)).rejects.toMatchObject({ code: 'backup-not-usable' });
  expect(attempts).toEqual([false]);
});
