import { expect, test } from 'vitest';
import { backupHookVariables, recoveryHookVariables, walHookVariables } from '../../../src/hooks/hook-variables.ts';
import { aBackup, idOf } from '../catalog/a-backup.ts';

test('hooks of a backup are told its id, folder, record, status and neighbours', () => {
  const facts = { backup: aBackup({ day: 2 }), folder: '/base/x', infoPath: '/meta/x', previousId: idOf(1), nextId: undefined };
  expect(backupHookVariables(facts)).toEqual({
    BARMAN_BACKUP_DIR: '/base/x',
    BARMAN_BACKUP_ID: idOf(2),
    BARMAN_BACKUP_INFO_PATH: '/meta/x',
    BARMAN_PREVIOUS_ID: idOf(1),
    BARMAN_NEXT_ID: '',
    BARMAN_STATUS: 'DONE',
  });
});

test('hooks of a WAL file are told its time with the fraction', () => {
  const facts = { segment: 'S', file: '/wals/S', sizeBytes: 5, epochSeconds: 1_770_000_000.25, compression: null };
  expect(walHookVariables(facts)).toEqual({
    BARMAN_SEGMENT: 'S',
    BARMAN_FILE: '/wals/S',
    BARMAN_SIZE: '5',
    BARMAN_TIMESTAMP: '1770000000.25',
    BARMAN_COMPRESSION: '',
  });
  expect(walHookVariables({ ...facts, epochSeconds: 1_770_000_000 })).toMatchObject({ BARMAN_TIMESTAMP: '1770000000.0' });
});

test('hooks of a restore are told sorted JSON of what was asked for, or nothing', () => {
  const options = { target_time: '2026-01-01', exclusive: false, target_name: undefined, standby_mode: true };
  expect(
    recoveryHookVariables({ destination: '/srv/new', remoteCommand: 'ssh db', tablespaces: { b: '/2', a: '/1' }, options }),
  ).toEqual({
    BARMAN_DESTINATION_DIRECTORY: '/srv/new',
    BARMAN_TABLESPACES: '{"a": "/1", "b": "/2"}',
    BARMAN_REMOTE_COMMAND: 'ssh db',
    BARMAN_RECOVER_OPTIONS: '{"standby_mode": true, "target_time": "2026-01-01"}',
  });
  expect(recoveryHookVariables({ destination: '/x', remoteCommand: undefined, tablespaces: {}, options: {} })).toMatchObject({
    BARMAN_REMOTE_COMMAND: '',
    BARMAN_TABLESPACES: '',
    BARMAN_RECOVER_OPTIONS: '',
  });
});
