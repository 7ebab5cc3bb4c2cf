import { expect, test } from 'vitest';
import { StallWatch } from '../../../src/compression/stall-watch.ts';
import { waitFor } from '../../helpers/wait-for.ts';

test('a process that cannot be examined has not stalled, and nothing is killed', async () => {
  let looks = 0;
  let stalls = 0;
  const progress = async (): Promise<string> => {
    looks++;
    return await Promise.reject(new Error('its files are closed'));
  };
  using watch = new StallWatch({ stallMs: 5, progress, onStall: () => stalls++ });
  await waitFor('several looks', () => Promise.resolve(looks > 3));
  expect([watch.hasStalled, stalls]).toEqual([false, 0]);
});
