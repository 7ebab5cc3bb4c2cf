import type { HostEntry } from '../postgres/connection-parameters.ts';
import { isSameHost } from '../postgres/conninfo-at-node.ts';
import type { Lsn } from '../wal/lsn.ts';
import type { TimelineSwitch } from '../wal/timeline-history.ts';

/** Where the nodes of a cluster are read from; `off` where nobody follows its primary. */
export type ClusterSource = 'conninfo' | 'repmgr' | 'patroni' | 'off';

/** A node of a cluster as its source names it. */
export interface ClusterNode {
  readonly entry: HostEntry;
  /** Its name in repmgr or Patroni; else host and port. */
  readonly name: string;
}

/** A physical replication slot of a node. */
export interface NodeSlot {
  readonly name: string;
  readonly isActive: boolean;
  readonly restartLsn: Lsn | undefined;
  /** Undefined below PostgreSQL 13, as is the size. */
  readonly walStatus: string | undefined;
  /** Bytes that can be written before WAL is removed that the slot needs; undefined where there is no limit. */
  readonly safeWalSize: bigint | undefined;
}

/** The facts that a node reported about itself. */
export interface ReachedNode extends ClusterNode {
  readonly kind: 'reached';
  readonly isInRecovery: boolean;
  readonly systemid: string;
  readonly timeline: number;
  /** Where the timeline comes from, oldest ancestor first. */
  readonly history: readonly TimelineSwitch[];
  /** Of a primary; as far as a standby has received and replayed it, undefined where it says nothing. */
  readonly written: Lsn | undefined;
  readonly flushed: Lsn | undefined;
  readonly replayed: Lsn | undefined;
  readonly segmentSize: number;
  readonly version: number;
  readonly slots: readonly NodeSlot[];
  /** Undefined where the role may not ask. */
  readonly dataDirectory: string | undefined;
  /** Names of the segments in its pg_wal; undefined where the role may not ask. */
  readonly kept: ReadonlySet<string> | undefined;
  /** Where it receives its WAL from. */
  readonly upstream: { readonly host: string; readonly port: string } | undefined;
}

/** A node that did not answer as it should. */
interface MissedNode extends ClusterNode {
  readonly kind: 'missed';
  readonly reason: string;
}

export type ObservedNode = ReachedNode | MissedNode;

/** Whether two nodes are one. */
export function isSameNode(a: Pick<ClusterNode, 'entry'>, b: Pick<ClusterNode, 'entry'>): boolean {
  return isSameHost(a.entry, b.entry);
}

/** `HOST:PORT`, for nodes without a name of their own. */
export function addressText({ host, hostaddr, port }: HostEntry): string {
  return `${host === '' ? hostaddr : host}:${String(port)}`;
}

/** `cluster_ssh` for a node. */
export function sshCommandAt({ entry: { host, hostaddr } }: ClusterNode, command: string): string {
  return command.replaceAll('%h', host === '' ? hostaddr : host);
}

/** How far the WAL of a node reaches. */
export function positionOf({ flushed, replayed }: Pick<ReachedNode, 'flushed' | 'replayed'>): Lsn | undefined {
  if (flushed === undefined || (replayed !== undefined && replayed > flushed)) return replayed;
  return flushed;
}
