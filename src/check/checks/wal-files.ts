import { readLedger } from '../../catalog/index/read-ledger.ts';
import { findLostWals, firstNeeded } from '../../catalog/wal/lost-wals.ts';
import { findSpoiledWals } from '../../catalog/wal/spoiled-wals.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Every segment that the index names from the first backup on is in the archive, and some have the size that it says. */
export const walFiles: Check = {
  name: 'WAL files',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'WAL that the index names, from the first backup on, is not in the archive: files or folders were removed, or a file system is not mounted. Folders without changes since the last check are not read again. Of the newest 32 segments, and of 96 others in turn, the size is compared with the index.',
  remedies: ['wal-files-lost', 'wal-file-spoiled'],
  isShownOnlyWhenFailed: true,
  async run({ server: { layout, config }, backups }, { context }) {
    try {
      const from = firstNeeded(backups);
      if (from === undefined) return undefined;
      const ledger = await readLedger(layout, context);
      const archive = walArchiveOf(layout);
      const { location: wals } = archive;
      const lost = await findLostWals(layout, ledger, backups);
      if (lost !== undefined) {
        const range = `${String(lost.count)} missing in ${wals}, from ${lost.first} to ${lost.last}`;
        return failed(range, mendedBy('wal-files-lost', { range, wals }));
      }
      const [spoiled, ...more] = await findSpoiledWals(archive, { ledger, from, now: context.clock.now() });
      if (spoiled === undefined) return undefined;
      const others = more.length === 0 ? '' : `, and ${String(more.length)} more`;
      const file = `${spoiled.name} in ${wals} has ${String(spoiled.size)} bytes, ${String(spoiled.indexedSize)} in the index${others}`;
      return failed(
        file,
        mendedBy('wal-file-spoiled', { file, arrivals: config.options.archiver ? layout.incoming : layout.streaming }),
      );
    } catch (error) {
      const reason = expectedFailureOf(error);
      if (reason === undefined || reason.code === 'interrupted') throw error;
      context.log.debug(`the WAL files of server '${config.name}' cannot be looked at: ${reason.message}`); // other checks say why
      return undefined;
    }
  },
};
