import { formatInterval } from '../../shared/units.ts';
import type { Check, CheckFacts, Verdict } from '../check.ts';
import { judgeAge } from '../judge-age.ts';
import { newestBackup } from '../newest-backup.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The newest backup is young enough. */
export const backupMaximumAge: Check = {
  name: 'backup maximum age',
  appliesTo: 'every',
  isCritical: false,
  about: 'The catalog',
  meaning: 'The newest backup is older than `last_backup_maximum_age`, or there is none. Did the backup job run?',
  remedies: ['backup-old'],
  run(facts, { context }) {
    return judge(facts, context.clock.now());
  },
};

function judge({ server, backups }: CheckFacts, now: Date): Verdict {
  const most = server.config.options.last_backup_maximum_age;
  if (most === undefined) return passed('no last_backup_maximum_age provided');
  const endTime = newestBackup(backups)?.endTime ?? undefined;
  if (endTime === undefined) {
    return failed(
      `interval provided: ${formatInterval(most)}, latest backup age: No available backups`,
      mendedBy('backup-old'),
    );
  }
  return judgeAge({
    since: Number(endTime.epochMicros) / 1e6,
    most,
    now,
    what: 'latest backup age',
    remedy: mendedBy('backup-old'),
  });
}
