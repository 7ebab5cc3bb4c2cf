import type { Check } from '../check.ts';
import { emptyWhenOff } from '../waiting-files.ts';

/** Nothing is left of a receiver that was turned off. */
export const emptyStreamingDirectory: Check = {
  name: 'empty streaming directory',
  appliesTo: 'every',
  isCritical: false,
  about: 'WAL that arrives',
  meaning: "The receiver's folder contains files although `streaming_archiver` is off.",
  remedies: ['channel-off'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    const isOn = server.config.options.streaming_archiver;
    return await emptyWhenOff(server.layout.streaming, { name: 'streaming_archiver', isOn });
  },
};
