import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  epochSeconds,
  formatCompactTime,
  formatCTime,
  formatLongTime,
  parseTimestamp,
  withOffset,
} from '../../../src/shared/timestamp.ts';

const parsed = (text: string) => {
  const timestamp = parseTimestamp(text);
  if (timestamp === undefined) throw new Error(`${text} was not read`);
  return timestamp;
};

test.each([
  { text: '2026-01-22 22:25:33.383242+00:00', long: '2026-01-22 22:25:33.383242+00:00', seconds: 1_769_120_733 },
  { text: '2026-01-22T22:25:33Z', long: '2026-01-22 22:25:33+00:00', seconds: 1_769_120_733 },
  { text: '2026-01-22 22:25:33.5+02', long: '2026-01-22 22:25:33.500000+02:00', seconds: 1_769_113_533 },
  { text: '2026-01-22 22:25:33-0330', long: '2026-01-22 22:25:33-03:30', seconds: 1_769_133_333 },
])('$text keeps its instant and its offset', ({ text, long, seconds }) => {
  expect(formatLongTime(parsed(text))).toBe(long);
  expect(epochSeconds(parsed(text))).toBe(seconds);
  expect(parsed(text).hasZone).toBe(true);
});

test('a text without an offset is local time of this host', () => {
  const timestamp = parsed('2026-07-01 12:00:00');
  expect(timestamp.hasZone).toBe(false);
  expect(epochSeconds(timestamp) * 1000).toBe(new Date(2026, 6, 1, 12).getTime());
});

test('C time shows the wall clock that was written down, with the day padded by a blank', () => {
  expect(formatCTime(parsed('2026-11-02 03:04:05.999999+05:00'))).toBe('Mon Nov  2 03:04:05 2026');
});

test('an id-like stamp is the wall clock of the timestamp', () => {
  expect(formatCompactTime(withOffset(parsed('2026-11-02 23:30:00+00:00'), 60))).toBe('20261103T003000');
});

test.each(['', 'yesterday', '2026-02-30 00:00:00', '2026-01-01 25:00:00', '2026-13-01', '12:00:00'])(
  '"%s" is no timestamp',
  (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  },
);

test('every instant survives being written and read again', () => {
  const micros = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n });
  const offset = fc.integer({ min: -15 * 60, max: 15 * 60 });
  fc.assert(
    fc.property(micros, offset, (epochMicros, offsetMinutes) => {
      const { hasZone, ...again } = parsed(formatLongTime({ epochMicros, offsetMinutes }));
      expect(hasZone).toBe(true);
      expect(again).toEqual({ epochMicros, offsetMinutes });
    }),
  );
});
