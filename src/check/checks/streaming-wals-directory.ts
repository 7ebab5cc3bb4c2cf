import type { Check } from '../check.ts';
import { shortQueue } from '../waiting-files.ts';

/** WAL from the receiver is archived as fast as it arrives. */
export const streamingWalsDirectory: Check = {
  name: 'streaming WALs directory',
  appliesTo: 'every',
  isCritical: false,
  about: 'WAL that arrives',
  meaning: "More files wait in the receiver's folder than `max_incoming_wals_queue`.",
  remedies: ['queue-long'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    const { streaming_archiver: isOn, max_incoming_wals_queue: most } = server.config.options;
    return await shortQueue(server.layout.streaming, isOn, most);
  },
};
