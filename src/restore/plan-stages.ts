import type { Backup } from '../catalog/backup.ts';
import { PythonFloat } from '../shared/python-literal.ts';
import type { PlannedStage, PlannedTree } from './restore-plan.ts';
import { type MeasuredRate, rateOf, type StageName } from './restore-rates.ts';

interface StageQuestion {
  readonly backup: Pick<Backup, 'copyStats' | 'size'>;
  readonly trees: readonly PlannedTree[];
  readonly walBytes: number;
  /** `local`, or the host. */
  readonly place: string;
  readonly rates: readonly MeasuredRate[];
}

/** The stages of a restore in their order, each with its estimate. */
export function planStages(question: StageQuestion): readonly PlannedStage[] {
  const { trees, walBytes } = question;
  const copied = trees.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    planStage('copy', copied, question),
    ...(walBytes > 0 ? [planStage('wal', walBytes, question)] : []),
    planStage('sync', copied + walBytes, question),
  ];
}

function planStage(stage: StageName, bytes: number, { backup, place, rates }: StageQuestion): PlannedStage {
  const measured = rateOf(stage, place, rates);
  if (measured !== undefined) return { stage, bytes, seconds: bytes / measured, basis: 'earlier restores' };
  const taken = stage === 'wal' || stage === 'sync' ? undefined : rateOfBackup(backup);
  if (taken !== undefined) return { stage, bytes, seconds: bytes / taken, basis: 'the copy of the backup' };
  return { stage, bytes, seconds: undefined, basis: 'nothing measured' };
}

/** Bytes a second with which the backup was taken. */
function rateOfBackup({ copyStats, size }: StageQuestion['backup']): number | undefined {
  const time = copyStats?.get('copy_time');
  const seconds = time instanceof PythonFloat ? time.value : time;
  if (typeof seconds !== 'number' || seconds <= 0 || size === null || size <= 0) return undefined;
  return size / seconds;
}
