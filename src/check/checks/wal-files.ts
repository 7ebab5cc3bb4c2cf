import { isCopyDone } from '../../catalog/backups/backup.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import { findLostWals } from '../../catalog/wal/lost-wals.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Every segment that the index names from the first backup on is in the archive. */
export const walFiles: Check = {
  name: 'WAL files',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'WAL that the index names, from the first backup on, is not in the archive: files or folders were removed, or a file system is not mounted. Folders without changes since the last check are not read again.',
  remedies: ['wal-files-lost'],
  isShownOnlyWhenFailed: true,
  async run({ server: { layout, config }, backups }, { context }) {
    try {
      if (!backups.some(isCopyDone)) return undefined;
      const lost = await findLostWals(layout, await readLedger(layout, context), backups);
      if (lost === undefined) return undefined;
      const { count, first, last } = lost;
      const { location: wals } = walArchiveOf(layout);
      const range = `${String(count)} missing in ${wals}, from ${first} to ${last}`;
      return failed(range, mendedBy('wal-files-lost', { range, wals }));
    } catch (error) {
      const reason = expectedFailureOf(error);
      if (reason === undefined || reason.code === 'interrupted') throw error;
      context.log.debug(`the WAL files of server '${config.name}' cannot be looked at: ${reason.message}`); // other checks say why
      return undefined;
    }
  },
};
