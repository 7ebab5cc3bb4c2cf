import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WalRuns } from '../../../../src/catalog/index/wal-runs.ts';
import { segmentAtIndex } from '../../../../src/wal/wal-name.ts';
import { segmentOf } from '../a-backup.ts';

const mib = 1024 * 1024;

/** `1:2 1:3@20`: segments, their times after the sign, 10 without one. */
function runsWith(text: string, segmentSize = 16 * mib): WalRuns {
  const runs = new WalRuns(segmentSize);
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const [short = '', time = '10'] = word.split('@');
    runs.add(segmentOf(short), Number(time));
  }
  return runs;
}

function textOf(runs: WalRuns): string {
  const timelineText = (timeline: number): string =>
    runs
      .of(timeline)
      .map(({ first, last, lastTime }) => `${String(timeline)}:${String(first)}-${String(last)}@${String(lastTime)}`)
      .join(' ');
  return runs.timelines.map(timelineText).join(' ');
}

test.each([
  { title: 'neighbours are one run, with the time of the last', added: '1:2@1 1:3@2 1:4@3', runs: '1:2-4@3' },
  { title: 'a missing segment parts two runs', added: '1:2 1:4', runs: '1:2-2@10 1:4-4@10' },
  { title: 'one that comes late joins them', added: '1:2@1 1:4@3 1:3@9', runs: '1:2-4@3' },
  { title: 'one in front of a run', added: '1:4@3 1:3@9', runs: '1:3-4@3' },
  { title: 'one before all others', added: '1:8 1:2', runs: '1:2-2@10 1:8-8@10' },
  { title: 'one that is there already changes nothing', added: '1:2@1 1:3@2 1:2@9', runs: '1:2-3@2' },
  { title: 'the later of two times of the last one counts', added: '1:2@5 1:2@9 1:2@7', runs: '1:2-2@9' },
  { title: 'timelines are apart', added: '2:3 1:2', runs: '1:2-2@10 2:3-3@10' },
])('$title', ({ added, runs }) => {
  expect(textOf(runsWith(added))).toBe(runs);
});

test('numbers go on from one log to the next, by the size of segments', () => {
  const runs = new WalRuns(64 * mib);
  for (const name of ['00000001000000010000003F', '000000010000000200000000']) runs.add(segmentOf(name), 1);
  expect(runs.of(1)).toEqual([{ first: 127, last: 128, lastTime: 1 }]);
});

test('a segment whose number is too great for the size is of another cluster', () => {
  const runs = new WalRuns(64 * mib);
  runs.add(segmentOf('000000010000000100000040'), 1);
  expect(runs.timelines).toEqual([]);
});

test('runs are the same whatever the order and however often they were stored in between', () => {
  const segment = fc.record({
    timeline: fc.integer({ min: 1, max: 2 }),
    index: fc.integer({ min: 250, max: 275 }),
    time: fc.integer({ min: 0, max: 3 }),
  });
  const orders = fc
    .array(segment)
    .chain((segments) =>
      fc.record({ segments: fc.constant(segments), shuffled: fc.shuffledSubarray(segments, { minLength: segments.length }) }),
    );
  fc.assert(
    fc.property(orders, fc.array(fc.nat({ max: 20 })), ({ segments, shuffled }, cuts) => {
      const build = (list: typeof segments, isCut: (position: number) => boolean): string => {
        let runs = new WalRuns(16 * mib);
        for (const [position, { timeline, index, time }] of list.entries()) {
          runs.add(segmentAtIndex(timeline, index, 16 * mib), time);
          if (isCut(position)) runs = new WalRuns(16 * mib, new Map(runs.timelines.map((one) => [one, runs.of(one)])));
        }
        return textOf(runs);
      };
      const text = build(segments, () => false);
      expect(build(shuffled, (position) => cuts.includes(position))).toBe(text);
      expect(text).toBe(fromScratch(segments));
    }),
  );
});

test('adding to a copy leaves the original alone', () => {
  const runs = runsWith('1:2');
  runs.copy().add(segmentOf('1:3'), 1);
  expect(textOf(runs)).toBe('1:2-2@10');
});

/** The same by sorting all of them. */
function fromScratch(segments: readonly { timeline: number; index: number; time: number }[]): string {
  const parts: string[] = [];
  for (const timeline of [1, 2]) {
    const times = new Map<number, number>();
    for (const { index, time } of segments.filter((one) => one.timeline === timeline)) {
      times.set(index, Math.max(time, times.get(index) ?? 0));
    }
    let first: number | undefined;
    for (const index of [...times.keys()].toSorted((a, b) => a - b)) {
      first ??= index;
      if (times.has(index + 1)) continue;
      parts.push(`${String(timeline)}:${String(first)}-${String(index)}@${String(times.get(index))}`);
      first = undefined;
    }
  }
  return parts.join(' ');
}
