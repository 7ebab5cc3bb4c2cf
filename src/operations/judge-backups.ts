import { readAnnotations } from '../catalog/annotations.ts';
import type { Backup } from '../catalog/backup.ts';
import type { Server } from '../config/server.ts';
import { planRetention, type Verdict } from '../retention/plan-retention.ts';
import type { Context } from '../shared/context.ts';

/** What the retention policy of a server says about its backups, newest first; undefined when no policy is enforced. */
export async function judgeBackups(
  server: Server,
  backups: readonly Backup[],
  { clock }: Pick<Context, 'clock'>,
): Promise<readonly Verdict[] | undefined> {
  const { retention, options } = server.config;
  if (retention.kind !== 'enforced') return undefined;
  const { keeps } = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  return planRetention({
    backups,
    keeps,
    policy: retention.policy,
    minimumRedundancy: options.minimum_redundancy,
    now: clock.now(),
  });
}
