import { formatSize } from '../../shared/units.ts';
import type { Check } from '../check.ts';
import { passed } from '../verdict.ts';

/** How much WAL follows the newest backup: never a failure, and what Nagios draws. */
export const walSize: Check = {
  name: 'wal size',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: 'Shows how much WAL follows the newest backup, and fails only when the WAL index cannot be read.',
  remedies: ['wal-index-broken'],
  async run({ wal }) {
    const { laterBytes } = await wal.read();
    return passed(formatSize(laterBytes), laterBytes);
  },
};
