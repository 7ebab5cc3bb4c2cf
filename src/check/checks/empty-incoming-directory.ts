import type { Check } from '../check.ts';
import { emptyWhenOff } from '../waiting-files.ts';

/** Nothing arrives where nobody looks. */
export const emptyIncomingDirectory: Check = {
  name: 'empty incoming directory',
  appliesTo: 'every',
  isCritical: false,
  about: 'WAL that arrives',
  meaning: 'Files lie in the incoming folder although `archiver` is off: nobody archives them.',
  remedies: ['channel-off', 'unreadable'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    return await emptyWhenOff(server.layout.incoming, { name: 'archiver', isOn: server.config.options.archiver });
  },
};
