import { describe, expect, test } from 'vitest';
import { isZoneName, zoneOffset } from '../../../src/shared/zone-offset.ts';

const wall = (text: string) => Date.parse(`${text}Z`);

describe('the offset of a wall clock', () => {
  test.each([
    ['in winter', 'Europe/Berlin', '2026-01-31T08:59:00', { minutes: 60, otherMinutes: undefined }],
    ['in summer', 'Europe/Berlin', '2026-07-31T08:59:00', { minutes: 120, otherMinutes: undefined }],
    ['that is no whole hour', 'Asia/Kolkata', '2026-07-31T08:59:00', { minutes: 330, otherMinutes: undefined }],
    ['an hour before the clocks go forward', 'Europe/Berlin', '2026-03-29T01:30:00', { minutes: 60, otherMinutes: undefined }],
    [
      'in the hour that is skipped is that before it',
      'Europe/Berlin',
      '2026-03-29T02:30:00',
      { minutes: 60, otherMinutes: 120 },
    ],
    [
      'in the hour that comes twice is that after it',
      'Europe/Berlin',
      '2026-10-25T02:30:00',
      { minutes: 60, otherMinutes: 120 },
    ],
    ['in the west, in that hour', 'America/New_York', '2026-11-01T01:30:00', { minutes: -300, otherMinutes: -240 }],
  ])('%s', (_, zone, text, offset) => {
    expect(zoneOffset(zone, wall(text))).toEqual(offset);
  });
});

test.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['Mars/Olympus', false],
  ['EST5EDT', true],
  ['BST', false],
  ['SystemV/AST4', false],
  ['', false],
])('%s is a name of a zone: %s', (name, is) => {
  expect(isZoneName(name)).toBe(is);
});
