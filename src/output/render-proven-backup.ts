import type { ProvenBackup } from '../operations/server/prove-backup.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { formatInterval } from '../shared/units.ts';
import type { Report } from './report.ts';

/** The end of `init --yes`: a backup of the server can be restored, and how long that took. */
export function renderProvenBackup(
  { server, backupSeconds, restoreSeconds, replayedTo }: ProvenBackup,
  program: readonly string[],
): Report {
  return {
    lines: [
      '',
      `Proven: the backup of ${server} took ${formatInterval(backupSeconds)}; restored into a scratch folder, it started and replayed WAL up to ${replayedTo} within ${formatInterval(restoreSeconds)}`,
      'The scratch folder is gone; the backup and its WAL stay',
      `Next: ${quoteWords([...program, 'status', server])}`,
    ],
    json: { proven: { server, backup_seconds: backupSeconds, restore_seconds: restoreSeconds, replayed_to: replayedTo } },
  };
}
