import { expect, test } from 'vitest';
import { OperatorError } from '../../../src/shared/operator-error.ts';
import { withRetries } from '../../../src/shared/with-retries.ts';
import { aContext } from '../restore/restore-context.ts';

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

test('work that fails for a moment is repeated after a pause, and is told that something may be left', async () => {
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

test('of other failures only what the caller thinks worth it', async () => {
  const { attempts, context, work } = aStage([new OperatorError('configuration-invalid', 'it is not there yet')]);
  expect(await withRetries(how, context, work, ({ code }) => code === 'configuration-invalid')).toBe('done');
  expect(attempts).toEqual([false, true]);
});

test('a signal during the pause is told as one', async () => {
  const stop = new AbortController();
  const sleep = async (): Promise<void> => {
    stop.abort();
    await Promise.reject(new Error('aborted'));
  };
  const context = aContext({ clock: { ...aContext().clock, sleep }, signal: stop.signal });
  const work = async () => await Promise.reject(new OperatorError('command-failed', 'tar failed'));
  await expect(withRetries(how, context, work)).rejects.toMatchObject({ code: 'interrupted' });
});
