import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { describeStuckWal, findStuckWal } from '../stuck-wal.ts';
import { failed } from '../verdict.ts';

/** What arrives is archived within minutes. */
export const walArrivals: Check = {
  name: 'WAL arrivals',
  appliesTo: 'every',
  isCritical: false,
  about: 'Ours',
  meaning:
    'A file in `incoming` or `streaming` waits for more than five minutes: it is cut off, cannot be read or decompressed, or nobody runs `archive-wal`. The hint names the one that waits longest, since when, and why.',
  remedies: ['arrivals-stuck'],
  isShownOnlyWhenFailed: true,
  async run({ server }, { context }) {
    const stuck = await findStuckWal(server, context.clock.now());
    const [first] = stuck;
    if (first === undefined) return undefined;
    return failed(describeStuckWal(stuck), mendedBy('arrivals-stuck', { folder: server.layout[first.folder] }));
  },
};
