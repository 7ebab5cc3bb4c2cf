import type { ClusterNode } from '../../cluster/cluster-node.ts';
import type { ClusterView } from '../../cluster/look-at-cluster.ts';

/** The cluster of a server as `show-cluster` tells it. */
export interface ClusterReport {
  readonly serverName: string;
  readonly view: ClusterView;
  readonly slotName: string | undefined;
  /** The node that WAL is received from now. */
  readonly streamsFrom: ClusterNode | undefined;
  /** The node that the next backup is taken from. */
  readonly backsUpFrom: ClusterNode | undefined;
}
