import { expect, test } from 'vitest';
import { unavailableOptionsInUse } from '../../../src/config/unavailable-options-in-use.ts';
import { loadTestConfiguration } from './load-test-configuration.ts';

const sound = 'backup_method = postgres\nconninfo = host=pg\narchiver = on\n';

test.each([
  { text: 'encryption = gpg', work: 'backup', settings: [] },
  { text: 'encryption = gpg', work: 'delete', settings: [] },
  { text: 'encryption = none', work: 'backup', settings: [] },
  { text: 'worm_mode = off', work: 'delete', settings: [] },
  { text: 'compression = gzip', work: 'archive', settings: [] },
  { text: 'compression = snappy', work: 'archive', settings: [] },
  { text: 'encryption = gpg', work: 'archive', settings: [] },
  { text: 'recovery_options = get-wal, delta-restore', work: 'restore', settings: [] },
  { text: 'snapshot_disks = a,b', work: 'backup', settings: ['snapshot_disks = a, b'] },
  { text: 'primary_conninfo = host=p password=hush', work: 'backup', settings: [] },
] as const)('$text asks $work for $settings', async ({ text, work, settings }) => {
  const { server } = await loadTestConfiguration(`[pg]\n${sound}${text}\n`);
  expect(unavailableOptionsInUse(server('pg'), work).map(({ setting }) => setting)).toEqual(settings);
});

test('a default that does not exist yet is not told', async () => {
  const { server } = await loadTestConfiguration('[pg]\nconninfo = host=pg\n');
  expect(unavailableOptionsInUse(server('pg'))).toEqual([]);
});
