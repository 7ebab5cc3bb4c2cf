import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { forEachBriefly } from '../../../src/shared/for-each-briefly.ts';

const items = Array.from({ length: 1000 }, (_, index) => index);

test('every item is worked on, in order, and everything else has its turn in between', async () => {
  const done: number[] = [];
  let turns = 0;
  const counting = (async () => {
    while (done.length < items.length) {
      turns++;
      await nextTurn();
    }
  })();
  await forEachBriefly(items, (item) => void done.push(item));
  await counting;
  expect(done).toEqual(items);
  expect(turns).toBeGreaterThan(10);
});

test('it ends soon after it is told to', async () => {
  const stop = new AbortController();
  const done: number[] = [];
  const work = (item: number): void => {
    done.push(item);
    if (item === 300) stop.abort();
  };
  await expect(forEachBriefly(items, work, stop.signal)).rejects.toMatchObject({ code: 'interrupted' });
  expect(done.length).toBeGreaterThan(300);
  expect(done.length).toBeLessThan(400);
});

test('an error of the work ends it', async () => {
  const done: number[] = [];
  const work = (item: number): void => {
    if (item === 5) throw new Error('no');
    done.push(item);
  };
  await expect(forEachBriefly(items, work)).rejects.toThrow('no');
  expect(done).toHaveLength(5);
});
