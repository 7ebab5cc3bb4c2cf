import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { HostEntry } from '../postgres/connection-parameters.ts';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import { type ClusterNode, isSameNode, type ObservedNode, positionOf, type ReachedNode } from './cluster-node.ts';

/** A node as it was seen when it last answered. */
interface RememberedNode extends ClusterNode {
  readonly wasPrimary: boolean;
  readonly timeline: number | undefined;
  readonly position: Lsn | undefined;
  readonly dataDirectory: string | undefined;
  readonly seenAt: Date | undefined;
}

/** The facts known about a cluster after the last look. */
export interface RememberedCluster {
  readonly nodes: readonly RememberedNode[];
  /** The node that WAL was streamed from last, and since when. */
  readonly followed: (ClusterNode & { readonly timeline: number; readonly since: Date }) | undefined;
  /** When WAL was last known to come. */
  readonly streamedUntil: Date | undefined;
  /** Nodes that were streamed from before: our slot may be left there. */
  readonly left: readonly ClusterNode[];
  readonly segmentSize: number | undefined;
  /** REST addresses of Patroni's members, for when those of the configuration do not answer. */
  readonly urls: readonly string[];
}

const neverSeen = { timeline: undefined, position: undefined, dataDirectory: undefined, seenAt: undefined };

const nothing: RememberedCluster = {
  nodes: [],
  followed: undefined,
  streamedUntil: undefined,
  left: [],
  segmentSize: undefined,
  urls: [],
};

/** The remembered facts; none when the file is missing or cannot be read, because they can be observed again. */
export function readRememberedCluster({ root }: Pick<ServerLayout, 'root'>): RememberedCluster {
  try {
    const found: unknown = JSON.parse(readFileSync(pathIn(root), 'utf8'));
    return isRecord(found) ? clusterFrom(found) : nothing;
  } catch (error) {
    if (systemCodeOf(error) !== undefined || error instanceof SyntaxError) return nothing;
    throw error;
  }
}

export async function rememberCluster({ root }: Pick<ServerLayout, 'root'>, cluster: RememberedCluster): Promise<void> {
  await writeFileDurably(pathIn(root), `${JSON.stringify(textOf(cluster))}\n`);
}

/** The nodes that are remembered after another look: what did not answer stays as it was. */
export function withObserved(
  { nodes: before, ...rest }: RememberedCluster,
  observed: readonly ObservedNode[],
  now: Date,
): RememberedCluster {
  const nodes = observed.map((node): RememberedNode => {
    const { entry, name } = node;
    const known = before.find((each) => isSameNode(each, node));
    if (node.kind === 'reached') {
      const { timeline, dataDirectory } = node;
      const position = furthestOf(node, known);
      return { entry, name, wasPrimary: !node.isInRecovery, timeline, position, dataDirectory, seenAt: now };
    }
    return known ?? { entry, name, wasPrimary: false, ...neverSeen };
  });
  const segmentSize = observed.find((node) => node.kind === 'reached')?.segmentSize ?? rest.segmentSize;
  return { ...rest, nodes, segmentSize };
}

/**
 * How far a node has come on its timeline. One that is set back does not make us forget that, and what a standby has received may end within a
 * record, which its promotion leaves out.
 */
function furthestOf(node: ReachedNode, known: RememberedNode | undefined): Lsn | undefined {
  const now = node.isInRecovery ? (node.replayed ?? node.flushed) : positionOf(node);
  const before = known?.timeline === node.timeline ? known.position : undefined;
  return before !== undefined && (now === undefined || before > now) ? before : now;
}

function pathIn(root: string): string {
  return join(root, '.pgcellar', 'cluster.json');
}

function textOf({ nodes, followed, streamedUntil, left, segmentSize, urls }: RememberedCluster): unknown {
  return {
    nodes: nodes.map(({ entry, name, wasPrimary, timeline, position, dataDirectory, seenAt }) => {
      const shown = position === undefined ? undefined : formatLsn(position);
      return {
        ...entry,
        name,
        was_primary: wasPrimary,
        timeline,
        position: shown,
        data_directory: dataDirectory,
        seen_at: seenAt,
      };
    }),
    followed:
      followed === undefined
        ? undefined
        : { ...followed.entry, name: followed.name, timeline: followed.timeline, since: followed.since },
    streamed_until: streamedUntil,
    left: left.map(({ entry, name }) => ({ ...entry, name })),
    segment_size: segmentSize,
    urls,
  };
}

function clusterFrom(cluster: Readonly<Record<string, unknown>>): RememberedCluster {
  const { nodes, followed, streamed_until: streamedUntil, left, segment_size: segmentSize, urls } = cluster;
  const found = isRecord(followed) ? nodeFrom(followed) : undefined;
  const since = isRecord(followed) ? dateFrom(followed['since']) : undefined;
  return {
    nodes: nodesFrom(nodes),
    followed:
      found?.timeline === undefined || since === undefined
        ? undefined
        : { entry: found.entry, name: found.name, timeline: found.timeline, since },
    streamedUntil: dateFrom(streamedUntil),
    left: nodesFrom(left).map(({ entry, name }) => ({ entry, name })),
    segmentSize: typeof segmentSize === 'number' ? segmentSize : undefined,
    urls: (Array.isArray(urls) ? urls : []).filter((url) => typeof url === 'string'),
  };
}

function nodesFrom(value: unknown): readonly RememberedNode[] {
  return (Array.isArray(value) ? value : []).flatMap((node: unknown) => (isRecord(node) ? (nodeFrom(node) ?? []) : []));
}

function nodeFrom(node: Readonly<Record<string, unknown>>): RememberedNode | undefined {
  const { host, hostaddr, port, name, was_primary: wasPrimary, timeline, position, seen_at: seenAt } = node;
  const { data_directory: dataDirectory } = node;
  if (typeof host !== 'string' || typeof hostaddr !== 'string' || typeof port !== 'number' || typeof name !== 'string')
    return undefined;
  const entry: HostEntry = { host, hostaddr, port };
  return {
    entry,
    name,
    wasPrimary: wasPrimary === true,
    timeline: typeof timeline === 'number' ? timeline : undefined,
    position: typeof position === 'string' ? parseLsn(position) : undefined,
    dataDirectory: typeof dataDirectory === 'string' ? dataDirectory : undefined,
    seenAt: dateFrom(seenAt),
  };
}

/** An instant as JSON has it; undefined for anything else. */
export function dateFrom(value: unknown): Date | undefined {
  const date = typeof value === 'string' ? new Date(value) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
}
