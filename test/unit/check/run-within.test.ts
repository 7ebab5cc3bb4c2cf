import { expect, test } from 'vitest';
import { runWithin } from '../../../src/check/run-within.ts';
import { stoppedClock } from './check-setup.ts';

const never = new Promise<void>(() => undefined);
const now = '2026-01-01T00:00:00Z';
const signal = new AbortController().signal;

test('work that ends in time', async () => {
  expect(await runWithin(30, { clock: stoppedClock(now), signal }, () => Promise.resolve())).toBe(true);
});

test('work that takes too long is told to stop and left behind', async () => {
  const clock = stoppedClock(now);
  let told: AbortSignal | undefined;
  const running = runWithin(30, { clock, signal }, async (stop) => {
    told = stop;
    await never;
  });
  clock.wake();
  expect(await running).toBe(false);
  expect(told?.aborted).toBe(true);
});

test('without a limit nothing sleeps', async () => {
  const clock = { ...stoppedClock(now), sleep: () => Promise.reject(new Error('asked for a sleep')) };
  expect(await runWithin(0, { clock, signal }, () => Promise.resolve())).toBe(true);
});

test('an error of the work is passed on', async () => {
  const work = (): Promise<void> => Promise.reject(new TypeError('a bug'));
  await expect(runWithin(30, { clock: stoppedClock(now), signal }, work)).rejects.toThrow(new TypeError('a bug'));
});

test('a command that is told to stop does not wait for the work', async () => {
  const command = new AbortController();
  const running = runWithin(30, { clock: stoppedClock(now), signal: command.signal }, () => never);
  command.abort();
  await expect(running).rejects.toMatchObject({ code: 'interrupted' });
});
