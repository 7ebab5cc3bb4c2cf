import { serverLockPath } from '../../catalog/server-layout.ts';
import { isLockHeld } from '../../shared/file-lock.ts';
import type { Check } from '../check.ts';
import { findStuckReceiver, stuckRemedies } from '../receiver-remedy.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** Somebody receives WAL: the lock of `receive-wal` is held. */
export const receiveWalRunning: Check = {
  name: 'receive-wal running',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'No receiver runs. If the receiver cannot continue, the hint gives the reason.',
  remedies: ['receiver-stopped', 'receiver-waits', ...stuckRemedies],
  async run(facts) {
    const { server } = facts;
    if (!server.config.options.streaming_archiver) return undefined;
    if (await isLockHeld(serverLockPath(server.layout, 'receive-wal'))) return passed();
    const stuck = await findStuckReceiver(facts);
    if (stuck !== undefined) return failed(stuck.reason, stuck.remedy);
    if ((facts.walStreaming ?? facts.streaming)?.kind === 'failed') {
      const waits = failed('the server does not answer: there is nothing to stream from', mendedBy('receiver-waits'));
      return { ...waits, asBarman: 'See the Barman log file for more details' };
    }
    const hint = "'cron' starts the receiver; the log file gives the reason why it ended";
    return { ...failed(hint, mendedBy('receiver-stopped')), asBarman: 'See the Barman log file for more details' };
  },
};
