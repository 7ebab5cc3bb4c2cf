import { describe, expect, test } from 'vitest';
import { describeTarget, parseTarget } from '../../../../src/restore/target/recovery-target.ts';

const nothing = { isImmediate: false, isExclusive: false };

describe('a target', () => {
  test.each([
    ['a time with a zone', { targetTime: '2026-01-01 10:20:00+02:00' }, "time: '2026-01-01 10:20:00+02:00'"],
    ['a fraction of a second', { targetTime: '2026-01-01T10:20:00.5Z' }, "time: '2026-01-01 10:20:00.500000+00:00'"],
    ['a transaction', { targetXid: '123' }, "xid: '123'"],
    ['an LSN in lower case', { targetLsn: '0/3000a0' }, "lsn: '0/3000A0'"],
    ['a restore point', { targetName: 'before' }, "name: 'before'"],
    ['a restore point with a quote, as Python prints it', { targetName: "it's" }, 'name: "it\'s"'],
    ['consistency', { isImmediate: true }, 'immediate: True'],
  ])('can be %s', (_, request, described) => {
    const { target, isPitr } = parseTarget({ ...nothing, ...request });
    expect(isPitr).toBe(true);
    if (target.kind !== 'none') expect(describeTarget(target)).toBe(described);
    expect(target.kind).not.toBe('none');
  });

  test.each([
    ['two together', { targetXid: '1', isImmediate: true }, 'multiple targets'],
    ['no time', { targetTime: 'yesterday' }, 'Unable to parse'],
    ['a day that does not exist', { targetTime: '2026-02-30 10:00:00' }, 'Unable to parse'],
    ['a transaction with a quote', { targetXid: "1' x" }, 'is not a transaction id'],
    ['a bad LSN', { targetLsn: 'zzz' }, 'is not an LSN'],
    ['a name with a newline', { targetName: 'a\nb' }, 'control characters'],
    ['an empty name', { targetName: '' }, 'cannot be empty'],
    ['a name longer than PostgreSQL takes', { targetName: 'x'.repeat(64) }, 'at most 63 bytes'],
    ['an action without a target', { action: 'pause' as const }, 'recovery target action when PITR is not required'],
  ])('is refused: %s', (_, request, message) => {
    expect(() => parseTarget({ ...nothing, ...request })).toThrow(message);
  });

  test('a timeline alone is a recovery to a point in time', () => {
    expect(parseTarget({ ...nothing, targetTimeline: 'latest' })).toMatchObject({ target: { kind: 'none' }, isPitr: true });
  });

  test('a time without a zone is read in the zone of this host, and said so', () => {
    expect(parseTarget({ ...nothing, targetTime: '2026-01-01 10:20:00' }).warnings).toEqual([
      expect.stringContaining('the time zone of this host'),
    ]);
  });

  test('--exclusive without a point is told to have no effect', () => {
    expect(parseTarget({ ...nothing, isExclusive: true }).warnings).toEqual([
      expect.stringContaining('--exclusive has no effect'),
    ]);
  });
});
