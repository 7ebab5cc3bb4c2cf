import { describe, expect, test } from 'vitest';
import { plain, type ServerStatus } from '../../../src/operations/reports/server-reports.ts';
import { renderServerDetails } from '../../../src/output/render-server-details.ts';
import { renderServerList } from '../../../src/output/render-server-list.ts';
import { renderServerStatus } from '../../../src/output/render-server-status.ts';
import { parseLsn } from '../../../src/wal/lsn.ts';
import { serverOf, statusOf } from './samples.ts';

const items = [
  { ...serverOf('pg1'), description: 'server pg1' },
  { ...serverOf('pg2', { isActive: false, isDisabled: true }), description: undefined },
  { ...serverOf('pg3', { isPassive: true }), description: 'p3' },
  { ...serverOf('pg5', { isDisabled: true, isPassive: true }), description: undefined },
  { ...serverOf('pg6'), description: undefined },
];

describe('list-servers', () => {
  test('a state follows the description, and its blank stays without one', () => {
    expect(renderServerList(items, { minimal: false })).toEqual({
      lines: ['pg1 - server pg1', 'pg2 -  (inactive)', 'pg3 - p3 (Passive)', 'pg5 -  (WARNING: disabled) (Passive)', 'pg6'],
      json: {
        pg1: { description: 'server pg1' },
        pg2: { description: ' (inactive)' },
        pg3: { description: 'p3 (Passive)' },
        pg5: { description: ' (WARNING: disabled) (Passive)' },
        pg6: { description: '' },
      },
    });
  });

  test('the minimal list is names, in JSON the same as the long one', () => {
    const { lines, json } = renderServerList(items, { minimal: true });
    expect(lines).toEqual(['pg1', 'pg2', 'pg3', 'pg5', 'pg6']);
    expect(json).toEqual(renderServerList(items, { minimal: false }).json);
  });
});

describe('show-servers', () => {
  test.each([
    { fact: 'a configured description is shown as it is', active: true, configured: 'main', inJson: 'main' },
    { fact: 'without one JSON has an empty text', active: true, configured: undefined, inJson: '' },
    { fact: 'without one JSON has the state', active: false, configured: undefined, inJson: '(inactive)' },
  ])('$fact', ({ active, configured, inJson }) => {
    const { lines, json } = renderServerDetails({
      ...serverOf('pg1', { isActive: active }),
      description: configured,
      own: {},
      values: { description: plain(configured) },
    });
    expect(lines[1]).toBe(`\tdescription: ${configured ?? 'None'}`);
    expect(json).toEqual({ pg1: { description: inJson } });
  });

  test('keys are sorted, and JSON keeps what it can say', () => {
    const values = {
      worm_mode: plain(false),
      backup_options: { kind: 'words', option: 'backup_options', words: ['concurrent_backup'] },
      replication_slot: { kind: 'slot', name: 's', isActive: true, restartLsn: parseLsn('0/3000000') },
      included_files: plain(['/a']),
      timeline: plain(undefined),
      last_backup_maximum_age: { kind: 'backup-age', mostSeconds: 86_400, seconds: 3600 },
    } as const;
    const { lines, json } = renderServerDetails({
      ...serverOf('pg1', { isDisabled: true }),
      description: undefined,
      values,
      own: {},
    });
    expect(lines).toEqual([
      'Server pg1 (WARNING: disabled):',
      "\tbackup_options: BackupOptions({'concurrent_backup'})",
      "\tincluded_files: ['/a']",
      '\tlast_backup_maximum_age: 1 day (latest backup: 1 hour )',
      "\treplication_slot: Record(slot_name='s', active=True, restart_lsn='0/3000000')",
      '\ttimeline: None',
      '\tworm_mode: False',
    ]);
    expect(json['pg1']).toEqual({
      description: '(WARNING: disabled)',
      backup_options: "BackupOptions({'concurrent_backup'})",
      included_files: ['/a'],
      last_backup_maximum_age: '1 day (latest backup: 1 hour )',
      replication_slot: "Record(slot_name='s', active=True, restart_lsn='0/3000000')",
      timeline: null,
      worm_mode: false,
    });
  });
});

test('each line of a status is a label and a message, in JSON below its key', () => {
  const { lines, json, own } = renderServerStatus({ ...statusOf('pg1'), continuity: { kind: 'unknown', reason: 'why' } });
  expect(lines).toEqual([
    'Server pg1:',
    '\tActive: True',
    '\tDisabled: False',
    '\tActive configuration model: None',
    '\tPassive node: False',
    '\tRetention policies: not enforced',
    '\tNo. of available backups: 0',
    '\tFirst available backup: None',
    '\tLast available backup: None',
    '\tMinimum redundancy requirements: satisfied (0/0)',
  ]);
  expect(json['pg1']).toMatchObject({ first_backup: { description: 'First available backup', message: 'None' } });
  expect(own).toEqual({
    lines: ['\tWAL holes: unknown (why)'],
    json: { pg1: { wal_holes: { description: 'WAL holes', message: 'unknown (why)' } } },
  });
});

test('a status says what PostgreSQL said of itself, or that it did not', () => {
  const postgres = {
    version: '17.2',
    isInRecovery: true,
    sizeBytes: 1 << 20,
    dataDirectory: '/data',
    currentSegment: undefined,
    archiver: undefined,
  };
  const linesOf = (asked: ServerStatus['postgres']) =>
    renderServerStatus({ ...statusOf('pg1'), postgres: asked }).lines.slice(4, 8);
  expect(linesOf(postgres)).toEqual([
    '\tPostgreSQL version: 17.2',
    '\tCluster state: in archive recovery',
    '\tCurrent data size: 1.0 MiB',
    '\tPostgreSQL Data directory: /data',
  ]);
  expect(linesOf('unreachable')[0]).toBe('\tPostgreSQL version: FAILED trying to get PostgreSQL version');
});
