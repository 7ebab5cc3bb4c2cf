import { readAnnotations } from '../../catalog/backups/annotations.ts';
import { type Backup, type BackupId, backupTypeOf } from '../../catalog/backups/backup.ts';
import { readSoundRecords } from '../../catalog/backups/backup-records.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { Server } from '../../config/server.ts';
import type { Verdict } from '../../retention/plan-retention.ts';
import { formatRetentionPolicy, type RetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';
import { judgeBackupsBy } from '../backup/judge-backups.ts';
import type { RetentionReport } from '../reports/retention-report.ts';
import { WalExplainer } from '../wal/explain-wals.ts';
import { type PlannedDeletion, planEnforcement } from './plan-enforcement.ts';

/**
 * The backups and WAL that retention keeps and deletes, with the reasons, without deleting anything: the very plan that `cron` applies.
 * @param trial judges instead of the configured policy
 * @throws OperatorError `backup-info-invalid` when a record cannot be read: then retention deletes nothing
 */
export async function explainRetention(
  server: Server,
  trial: RetentionPolicy | undefined,
  context: Pick<Context, 'clock'>,
): Promise<RetentionReport> {
  const { name, retention, options } = server.config;
  const configured = retention.kind === 'enforced' ? retention.policy : undefined;
  const policy = trial ?? configured;
  const backups = await readSoundRecords(server.layout);
  const { keeps } = await readAnnotations(
    server.layout,
    backups.map(({ id }) => id),
  );
  const verdicts = policy === undefined ? [] : await judgeBackupsBy(policy, server, backups, context);
  const deletions = planEnforcement({ backups, keeps, verdicts });
  const standalone = new Set([...keeps].filter(([, target]) => target === 'standalone').map(([id]) => id));
  return {
    serverName: name,
    policy: policy === undefined ? undefined : formatRetentionPolicy(policy),
    insteadOf: trial === undefined || configured === undefined ? undefined : formatRetentionPolicy(configured),
    isTrial: trial !== undefined,
    minimumRedundancy: options.minimum_redundancy,
    backups: itemsOf(backups, { verdicts, deletions }),
    deletions: deletions.map(({ backup }) => backup.id),
    wals: await explainWals(server, new WalExplainer(backups, { deletions, standalone })),
  };
}

interface Judgement {
  readonly verdicts: readonly Verdict[];
  readonly deletions: readonly PlannedDeletion[];
}

function itemsOf(backups: readonly Backup[], { verdicts, deletions }: Judgement): RetentionReport['backups'] {
  const verdictOf = new Map(verdicts.map((verdict) => [verdict.id, verdict]));
  const going = new Set<BackupId>(deletions.map(({ backup }) => backup.id));
  return backups.toReversed().map((backup) => {
    const verdict = verdictOf.get(backup.id) ?? unjudged(backup, verdicts.length > 0);
    return {
      backup,
      type: backupTypeOf(backup),
      verdict,
      isHeld: verdict.status === 'OBSOLETE' && !going.has(backup.id),
    };
  });
}

function unjudged({ id, status }: Backup, hasPolicy: boolean): Verdict {
  const reason = hasPolicy ? `its status is ${status}` : 'no retention policy is enforced';
  return { id, status: '-', reason, outlook: { kind: 'never' } };
}

async function explainWals(server: Server, explainer: WalExplainer): Promise<RetentionReport['wals']> {
  explainer.addAll(await readLedger(server.layout));
  return explainer.ranges();
}
