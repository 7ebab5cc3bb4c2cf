import type { Check } from '../check.ts';
import { shortQueue } from '../waiting-files.ts';

/** WAL from `archive_command` is archived as fast as it arrives. */
export const incomingWalsDirectory: Check = {
  name: 'incoming WALs directory',
  appliesTo: 'every',
  isCritical: false,
  about: 'WAL that arrives',
  meaning: 'More files wait than `max_incoming_wals_queue`.',
  remedies: ['queue-long'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    const { archiver, max_incoming_wals_queue: most } = server.config.options;
    return await shortQueue(server.layout.incoming, archiver, most);
  },
};
