import { expect, test } from 'vitest';
import { basebackupArguments, rateProblems } from '../../../src/postgres/basebackup-arguments.ts';
import { receivewalArguments } from '../../../src/postgres/receivewal-arguments.ts';

const base = {
  program: '/usr/bin/pg_basebackup',
  programVersion: 150_018,
  connection: 'host=pg dbname=replication',
  dataFolder: '/base/x/data',
  tablespaces: [],
  kilobytesPerSecond: 0,
  isCheckpointFast: false,
  compression: undefined,
  parentManifest: undefined,
};

test('a base backup is plain, without WAL and slot, and never asks for a password', () => {
  expect(basebackupArguments(base)).toEqual([
    '/usr/bin/pg_basebackup',
    '--dbname=host=pg dbname=replication',
    '-v',
    '--no-password',
    '--pgdata=/base/x/data',
    '--no-slot',
    '--wal-method=none',
  ]);
});

test('a rate and a fast checkpoint are asked for when they are wanted', () => {
  expect(basebackupArguments({ ...base, kilobytesPerSecond: 2048, isCheckpointFast: true }).slice(-2)).toEqual([
    '--max-rate=2048',
    '--checkpoint=fast',
  ]);
});

test.each([
  [0, []],
  [31, ['pg_basebackup limits its rate to 32 to 1048576 kilobytes a second, not to 31']],
  [32, []],
  [1_048_576, []],
  [1_048_577, ['pg_basebackup limits its rate to 32 to 1048576 kilobytes a second, not to 1048577']],
])('a rate of %i is judged as pg_basebackup would', (rate, problems) => {
  expect(rateProblems(rate)).toEqual(problems);
});

test('an incremental backup names the manifest of its parent, and compression comes last', () => {
  const compression = { type: 'none', format: 'tar', level: undefined, location: undefined, workers: undefined } as const;
  const parentManifest = '/base/w/data/backup_manifest';
  expect(basebackupArguments({ ...base, parentManifest, compression, isCheckpointFast: true }).slice(-4)).toEqual([
    '--incremental=/base/w/data/backup_manifest',
    '--checkpoint=fast',
    '--format=tar',
    '--compress=none',
  ]);
});

test('an equals sign in a path of a tablespace is escaped, because the option splits there', () => {
  const tablespaces = [
    { location: '/srv/fast', folder: '/base/x/16400' },
    { location: '/srv/a=b', folder: '/ba=se/x/16401' },
  ];
  expect(basebackupArguments({ ...base, tablespaces }).filter((word) => word.startsWith('--tablespace'))).toEqual([
    '--tablespace-mapping=/srv/fast=/base/x/16400',
    String.raw`--tablespace-mapping=/srv/a\=b=/ba\=se/x/16401`,
  ]);
});

test('a receiver ends when the connection does, and has slot and synchronous writes when they are wanted', () => {
  const receive = { program: 'pg_receivewal', connection: 'host=pg', folder: '/s', slotName: undefined, isSynchronous: false };
  const always = ['pg_receivewal', '--dbname=host=pg', '--verbose', '--no-loop', '--no-password', '--directory=/s'];
  expect(receivewalArguments(receive)).toEqual(always);
  expect(receivewalArguments({ ...receive, slotName: 'barman', isSynchronous: true })).toEqual([
    ...always,
    '--slot=barman',
    '--synchronous',
  ]);
});
