import type { Check } from '../check.ts';
import { emptyWhenOff } from '../waiting-files.ts';

/** Nothing arrives where nobody looks. */
export const emptyIncomingDirectory: Check = {
  name: 'empty incoming directory',
  appliesTo: 'every',
  isCritical: false,
  about: 'WAL that arrives',
  meaning: 'The incoming folder contains files although `archiver` is off: no program archives them.',
  remedies: ['channel-off', 'unreadable'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    return await emptyWhenOff(server.layout.incoming, { name: 'archiver', isOn: server.config.options.archiver });
  },
};
