import type { Check } from '../check.ts';
import { judgeAge } from '../judge-age.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The newest WAL of the newest backup is young enough. */
export const walMaximumAge: Check = {
  name: 'wal maximum age',
  appliesTo: 'every',
  isCritical: false,
  about: 'The catalog',
  meaning: 'The newest WAL of the newest backup is older than `last_wal_maximum_age`.',
  remedies: ['wal-old'],
  async run({ server, wal }, { context }) {
    const most = server.config.options.last_wal_maximum_age;
    if (most === undefined) return passed('no last_wal_maximum_age provided');
    const { lastTime } = await wal.read();
    if (lastTime === undefined) return failed('No WAL files archived for last backup', mendedBy('wal-old'));
    return judgeAge({ since: lastTime, most, now: context.clock.now(), what: 'latest wal age', remedy: mendedBy('wal-old') });
  },
};
