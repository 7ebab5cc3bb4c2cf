import type { ClusterTrouble } from '../../check/check.ts';
import { clusterSourceOf } from '../../cluster/cluster-source.ts';
import { lookAtCluster } from '../../cluster/look-at-cluster.ts';
import type { FollowingPlan } from '../../cluster/plan-following.ts';
import { describeSwitchLoss, isUnacknowledged, readSwitches, type SwitchRecord } from '../../cluster/switch-records.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import { formatLongTime, timestampFromEpoch } from '../../shared/timestamp.ts';

/** A server whose cluster was looked at. */
interface LookedAt {
  /** Its connections lead to the node that is followed, or is about to be. */
  readonly server: Server;
  readonly trouble: ClusterTrouble;
}

/** The trouble of a server's cluster for a check; undefined where none is followed. @throws OperatorError `interrupted` */
export async function readClusterTrouble(server: Server, context: Context): Promise<LookedAt | undefined> {
  if (clusterSourceOf(server) === 'off') return undefined;
  try {
    const losses = (await readSwitches(server.layout)).filter(isUnacknowledged).map(lossText);
    const { plan } = await lookAtCluster(server, context, { isBrief: true });
    const node = plan.kind === 'wait' || plan.kind === 'refuse' ? server.node : { entry: plan.node.entry, isOnly: false };
    return { server: { ...server, node }, trouble: { ...troubleOf(plan), losses } };
  } catch (error) {
    const failure = expectedFailureOf(error);
    if (failure === undefined || failure.code === 'interrupted') throw error;
    return { server, trouble: { reason: failure.message, remedy: failure.hint ?? '', losses: [] } };
  }
}

/** When and where WAL was lost, and how much. */
export function lossText(record: SwitchRecord): string {
  const at = formatLongTime(timestampFromEpoch(record.at.getTime() / 1000));
  return `in the switch from ${record.from} to ${record.to} at ${at}, ${describeSwitchLoss(record) ?? 'nothing'}`;
}

function troubleOf(plan: FollowingPlan): Pick<ClusterTrouble, 'reason' | 'remedy'> {
  switch (plan.kind) {
    case 'wait':
      return { reason: `no WAL is streamed: ${plan.reason}`, remedy: 'start the primary, or repair the connection to it' };
    case 'refuse':
      return { reason: `${plan.name}: ${plan.reason}`, remedy: plan.remedy };
    case 'stay':
    case 'follow': {
      const [stale] = plan.stale;
      if (stale === undefined) return { reason: undefined, remedy: '' };
      const reason = `${stale.name} still runs as a primary of timeline ${String(stale.timeline)}, which was left for that of ${plan.node.name}`;
      return { reason, remedy: `stop ${stale.name}, and rebuild it as a standby (pg_rewind, or a new clone)` };
    }
  }
}
