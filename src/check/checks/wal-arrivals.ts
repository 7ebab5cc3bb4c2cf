import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { describeStuckWal, findStuckWal } from '../stuck-wal.ts';
import { failed } from '../verdict.ts';

/** WAL that arrives is archived within minutes. */
export const walArrivals: Check = {
  name: 'WAL arrivals',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'A file in `incoming` or `streaming` waits for more than five minutes: it is truncated, cannot be read or decompressed, or `archive-wal` does not run. The hint names the file that waits longest, with the time and the reason.',
  remedies: ['arrivals-stuck'],
  isShownOnlyWhenFailed: true,
  async run({ server }, { context }) {
    const stuck = await findStuckWal(server, context.clock.now());
    const [first] = stuck;
    if (first === undefined) return undefined;
    return failed(describeStuckWal(stuck), mendedBy('arrivals-stuck', { folder: server.layout[first.folder] }));
  },
};
