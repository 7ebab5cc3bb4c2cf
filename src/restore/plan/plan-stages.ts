import type { Backup } from '../../catalog/backups/backup.ts';
import { PythonFloat } from '../../shared/python-literal.ts';
import type { BackupSource } from '../content/backup-source.ts';
import type { MemberSize, StagingPlan } from './plan-staging.ts';
import type { PlannedStage, PlannedTree } from './restore-plan.ts';
import { type MeasuredRate, rateOf, type StageName } from './restore-rates.ts';

interface StageQuestion {
  readonly source: BackupSource;
  readonly trees: readonly PlannedTree[];
  readonly walBytes: number;
  /** `local`, or the host. */
  readonly host: string;
  /** With rsync: to another host, or onto files that are there. */
  readonly isSent: boolean;
  readonly staging: Pick<StagingPlan, 'isThere' | 'members'>;
  readonly rates: readonly MeasuredRate[];
}

/** The stages of a restore in their order, each with its estimate. */
export function planStages(question: StageQuestion): readonly PlannedStage[] {
  const { source, trees, walBytes, isSent, staging } = question;
  const { members, leaf } = source;
  const copied = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  const isChain = members.length > 1;
  const last = [
    ...(walBytes > 0 ? [planStage('wal', walBytes, question)] : []),
    planStage('sync', copied + walBytes, question),
  ];
  const combined = isChain ? [planStage('combine', copied, question)] : [];
  if (staging.isThere) return [...staging.members.flatMap((one) => stagesThere(one, question)), ...combined, ...last];
  const unpacked = staging.members.filter(({ member }) => isChain && member.form === 'tar');
  return [
    ...unpacked.map(({ unpackedBytes }) => planStage('unpack', unpackedBytes, question)),
    ...combined,
    ...(!isChain && leaf.form === 'tar' ? [planStage('unpack', copied, question)] : []),
    ...(!isChain && leaf.form === 'plain' && !isSent ? [planStage('copy', copied, question)] : []),
    ...(isSent ? [planStage('send', copied, question)] : []),
    ...last,
  ];
}

function stagesThere({ member, keptBytes, unpackedBytes }: MemberSize, question: StageQuestion): readonly PlannedStage[] {
  return [
    ...(member.isEncrypted ? [planStage('decrypt', keptBytes, question)] : []),
    planStage('send', keptBytes, question),
    ...(member.form === 'tar' ? [planStage('unpack', unpackedBytes, question)] : []),
  ];
}

function planStage(stage: StageName, bytes: number, { source, host, rates }: StageQuestion): PlannedStage {
  const measured = rateOf(stage, host, rates);
  if (measured !== undefined) return { stage, bytes, seconds: bytes / measured, basis: 'earlier restores' };
  const taken = stage === 'wal' || stage === 'sync' ? undefined : rateOfBackup(source.leaf.backup);
  if (taken !== undefined) return { stage, bytes, seconds: bytes / taken, basis: 'the copy of the backup' };
  return { stage, bytes, seconds: undefined, basis: 'nothing measured' };
}

/** Bytes a second with which the backup was taken. */
function rateOfBackup({ copyStats, size }: Pick<Backup, 'copyStats' | 'size'>): number | undefined {
  const time = copyStats?.get('copy_time');
  const seconds = time instanceof PythonFloat ? time.value : time;
  if (typeof seconds !== 'number' || seconds <= 0 || size === null || size <= 0) return undefined;
  return size / seconds;
}
