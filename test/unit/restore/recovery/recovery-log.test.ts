import { expect, test } from 'vitest';
import { readRecoveryLog } from '../../../../src/restore/recovery/recovery-log.ts';
import type { RecoveryTarget } from '../../../../src/restore/target/recovery-target.ts';

const none: RecoveryTarget = { kind: 'none' };
const xid: RecoveryTarget = { kind: 'xid', xid: '800' };
const line = (text: string) => `2026-01-01 10:00:00.000 UTC [7] ${text}`;

test.each<[string, RecoveryTarget, string[], boolean]>([
  ['stops before a commit', xid, ['LOG:  recovery stopping before commit of transaction 801, time 2026-01-01'], true],
  ['stops when it is consistent', { kind: 'immediate' }, ['LOG:  recovery stopping after reaching consistency'], true],
  [
    'ends without the target',
    xid,
    ['LOG:  redo done at 0/5000', 'FATAL:  recovery ended before configured recovery target was reached'],
    false,
  ],
  ['replays all there is', none, ['LOG:  redo done at 0/5000', 'LOG:  archive recovery complete'], true],
  ['fails on the way', none, ['LOG:  redo starts at 0/2000', 'FATAL:  could not map anonymous shared memory'], false],
  [
    'misses a file that it needs',
    none,
    ['FATAL:  could not access file "no_such_library": No such file or directory', 'LOG:  database system is shut down'],
    false,
  ],
])('a server that %s', (_, target, lines, reached) => {
  const log = readRecoveryLog(lines.map(line).join('\n'), target);
  expect(log.hasReachedTarget).toBe(reached);
  expect(log.lines).toEqual(lines.filter((text) => !text.includes('is shut down')).map(line));
});

test('lines that every recovery prints are left out', () => {
  const noise = [
    'LOG:  restored log file "000000010000000000000003" from archive',
    'FATAL:  the database system is starting up',
  ];
  expect(readRecoveryLog([...noise, "cp: cannot stat 'x': No such file or directory"].join('\n'), none).lines).toEqual([]);
});
