import { readAnnotations } from '../../catalog/backups/annotations.ts';
import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { isOrphan } from '../../catalog/backups/backup-files.ts';
import type { Server } from '../../config/server.ts';
import { planRetention, type Verdict } from '../../retention/plan-retention.ts';
import type { RetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';

/**
 * The verdicts of a server's retention policy on its backups, newest first; undefined when no policy is enforced.
 * @param backups oldest first
 */
export async function judgeBackups(
  server: Server,
  backups: readonly Backup[],
  context: Pick<Context, 'clock'>,
): Promise<readonly Verdict[] | undefined> {
  const { retention } = server.config;
  return retention.kind === 'enforced' ? await judgeBackupsBy(retention.policy, server, backups, context) : undefined;
}

/** The verdicts of a policy on the backups of a server, newest first. @param backups oldest first */
export async function judgeBackupsBy(
  policy: RetentionPolicy,
  server: Server,
  backups: readonly Backup[],
  { clock }: Pick<Context, 'clock'>,
): Promise<readonly Verdict[]> {
  const { keeps } = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  const { minimum_redundancy: minimumRedundancy } = server.config.options;
  const lost = await lostBefore(server, backups);
  return planRetention({ backups, keeps, policy, minimumRedundancy, now: clock.now(), lost });
}

/** The newest full backups whose files are gone, up to the first that has its files: the last good one. */
async function lostBefore(server: Server, backups: readonly Backup[]): Promise<ReadonlySet<BackupId>> {
  const lost = new Set<BackupId>();
  for (const backup of backups.toReversed()) {
    if (backup.status !== 'DONE' || backup.parentBackupId !== null) continue;
    if (!(await isOrphan(server.layout, backup))) break;
    lost.add(backup.id);
  }
  return lost;
}
