import type { ObservedNode, ReachedNode } from './cluster-node.ts';
import { positionOf } from './cluster-node.ts';
import type { FollowingPlan } from './plan-following.ts';

export type BackupNodeChoice =
  | { readonly kind: 'node'; readonly node: ReachedNode }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * The node that a backup is taken from: the primary that is followed, or of its standbys the one that is furthest; a standby of another
 * timeline is of no use.
 */
export function chooseBackupNode(
  nodes: readonly ObservedNode[],
  plan: FollowingPlan,
  wanted: 'primary' | 'standby' | 'prefer-standby',
): BackupNodeChoice {
  if (plan.kind === 'wait' || plan.kind === 'refuse') return { kind: 'none', reason: plan.reason };
  const { node: primary } = plan;
  if (wanted === 'primary') return { kind: 'node', node: primary };
  const standbys = nodes.filter(
    (node): node is ReachedNode =>
      node.kind === 'reached' && node.isInRecovery && node.systemid === primary.systemid && node.timeline === primary.timeline,
  );
  const [best] = standbys.toSorted((a, b) => Number((positionOf(b) ?? 0n) - (positionOf(a) ?? 0n)));
  if (best !== undefined) return { kind: 'node', node: best };
  if (wanted === 'prefer-standby') return { kind: 'node', node: primary };
  return { kind: 'none', reason: `no standby of timeline ${String(primary.timeline)} answers` };
}
