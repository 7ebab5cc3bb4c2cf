import { expect, test } from 'vitest';
import { historyNameOf, parseTimelineHistory } from '../../../src/wal/timeline-history.ts';

test('a history lists its ancestors, oldest first, without comments and blank lines', () => {
  const text = '# made by hand\n1\t0/5000098\tno recovery target specified\n\n2\t0/70000A0\tbefore 2026-01-01 00:00:00+00\n';
  expect(parseTimelineHistory(text, '00000003.history')).toEqual([
    { timeline: 1, switchLsn: 0x5000098n, reason: 'no recovery target specified' },
    { timeline: 2, switchLsn: 0x70000a0n, reason: 'before 2026-01-01 00:00:00+00' },
  ]);
});

test.each(['', '# only a comment\n', 'one\t0/5000098\treason\n', '1 0/5000098\n'])('%j is no history', (text) => {
  expect(() => parseTimelineHistory(text, '00000002.history')).toThrow(expect.objectContaining({ code: 'wal-index-invalid' }));
});

test('the name of a history file is its timeline in eight digits', () => {
  expect(historyNameOf(10)).toBe('0000000A.history');
});
