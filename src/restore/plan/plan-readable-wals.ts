import type { Backup } from '../../catalog/backups/backup.ts';
import type { Context } from '../../shared/context.ts';
import type { ArchiveFacts } from '../guards/judge-backup.ts';
import type { Refusals } from '../guards/refusals.ts';
import { requireReadableWals } from '../guards/require-readable-wals.ts';
import type { TimelinePlan } from './plan-timeline.ts';
import { noWal, planWals, type WalPlan } from './plan-wals.ts';
import { readWaitingWals, type WaitingWal } from './read-archive-facts.ts';
import type { RestoreAim } from './restore-aim.ts';

interface WalAim {
  readonly backup: Backup;
  readonly timelines: TimelinePlan;
  readonly facts: ArchiveFacts;
  /** Whether the WAL reaches a target time; undefined when that is not known. */
  readonly reachesTarget: boolean | undefined;
  readonly refusals: Refusals;
}

/** Says which WAL is copied, and refuses what of it cannot be read. */
export async function planReadableWals(
  aim: RestoreAim,
  { backup, timelines, facts, reachesTarget, refusals }: WalAim,
  { signal }: Pick<Context, 'signal'>,
): Promise<WalPlan> {
  const { server, request, target, countsWaiting } = aim;
  const all = await readWaitingWals(server.layout);
  const [waiting, leftWaiting]: readonly (readonly WaitingWal[])[] = countsWaiting ? [all, []] : [[], all];
  const question = {
    server,
    request,
    backup,
    target,
    timelines,
    facts,
    reachesTarget,
    waiting: waiting ?? [],
    leftWaiting: leftWaiting ?? [],
  };
  const wal = (await refusals.take(() => planWals(question, signal))) ?? noWal;
  await refusals.take(() => requireReadableWals(server, wal.copies, question.waiting));
  return wal;
}
