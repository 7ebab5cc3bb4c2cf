import { expect, test } from 'vitest';
import { formatInterval, formatSize } from '../../../src/shared/units.ts';

test.each([
  { bytes: 0, text: '0 B' },
  { bytes: 1023, text: '1023 B' },
  { bytes: 1024, text: '1.0 KiB' },
  { bytes: -50331648, text: '-48.0 MiB' },
  { bytes: 39_950_746, text: '38.1 MiB' },
  { bytes: 1024 ** 5, text: '1.0 PiB' },
])('a size of $bytes bytes reads $text', ({ bytes, text }) => {
  expect(formatSize(bytes)).toBe(text);
});

test.each([
  { seconds: 0, text: 'less than one second' },
  { seconds: 0.9, text: 'less than one second' },
  { seconds: 1.9, text: '1 second' },
  { seconds: 3661, text: '1 hour, 1 minute, 1 second' },
  { seconds: 2 * 86_400 + 120, text: '2 days, 2 minutes' },
  { seconds: -60, text: '1 minute ago' },
])('an interval of $seconds seconds reads "$text"', ({ seconds, text }) => {
  expect(formatInterval(seconds)).toBe(text);
});
