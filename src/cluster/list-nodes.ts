import type { Server } from '../config/server.ts';
import type { Row } from '../postgres/connect.ts';
import { readParameters } from '../postgres/connection-parameters.ts';
import { formatConninfo, parseConninfo } from '../postgres/conninfo.ts';
import { hostsOfConninfo } from '../postgres/conninfo-at-node.ts';
import { ServerNodes } from '../postgres/server-nodes.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { addressText, type ClusterNode, isSameNode } from './cluster-node.ts';
import { clusterConninfo, clusterSourceOf } from './cluster-source.ts';
import { readPatroniCluster, urlsOf } from './patroni-rest.ts';
import type { RememberedCluster } from './remembered-cluster.ts';
import { withinLimit } from './within-limit.ts';

/** The nodes of a cluster by name; whether they run is not known. */
export interface ListedNodes {
  readonly nodes: readonly ClusterNode[];
  readonly urls: readonly string[];
  /** Why the source did not answer; the nodes are then those that are remembered. */
  readonly problem: string | undefined;
}

/** For the source to name the nodes. */
const sourceMs = 5000;
/** For one node to answer: one that hangs must not use up the time of all. */
const nodeMs = 3000;

/**
 * The nodes of a server's cluster. A source that does not answer blinds nobody: the nodes that were seen last, and the hosts of the connection
 * string, take its place.
 * @throws OperatorError `configuration-invalid`, `interrupted`
 */
export async function listNodes(
  server: Pick<Server, 'config' | 'environment'>,
  remembered: RememberedCluster,
  { signal }: Pick<Context, 'signal'>,
): Promise<ListedNodes> {
  const written = hostsOfConninfo(clusterConninfo(server), server.environment).map((entry) => ({
    entry,
    name: addressText(entry),
  }));
  const source = clusterSourceOf(server);
  if (source !== 'repmgr' && source !== 'patroni') return { nodes: written, urls: [], problem: undefined };
  const known = uniqueNodes([...remembered.nodes, ...written]);
  try {
    const found = await withinLimit(sourceMs, signal, async (limited) =>
      source === 'repmgr' ? await askRepmgr(server, known, limited) : await askPatroni(server, remembered, limited),
    );
    if (found.nodes.length > 0) return { ...found, problem: undefined };
    return { nodes: known, urls: remembered.urls, problem: `${source} names no node` };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError && error.code === 'configuration-invalid') throw error;
    return { nodes: known, urls: remembered.urls, problem: messageOf(error) };
  }
}

function uniqueNodes(nodes: readonly ClusterNode[]): readonly ClusterNode[] {
  return nodes.filter((node, at) => nodes.findIndex((other) => isSameNode(other, node)) === at);
}

async function askPatroni({ config: { options } }: Pick<Server, 'config'>, { urls }: RememberedCluster, signal: AbortSignal) {
  const written = urlsOf(options.cluster_url);
  return await readPatroniCluster(
    {
      urls: [...new Set([...written, ...(written.length === 0 ? [] : urls)])],
      caFile: options.cluster_ca_file,
      certFile: options.cluster_cert_file,
      keyFile: options.cluster_key_file,
    },
    signal,
  );
}

/**
 * All known nodes concurrently. A node that was left behind still has the table of that time, so the nodes of all answers count; in their
 * order, the first says what a node is called.
 */
async function askRepmgr(
  server: Pick<Server, 'config' | 'environment'>,
  known: readonly ClusterNode[],
  signal: AbortSignal,
): Promise<Pick<ListedNodes, 'nodes' | 'urls'>> {
  const answers = await Promise.allSettled(
    known.map(async (node) => await withinLimit(nodeMs, signal, async (limited) => await repmgrNodes(server, node, limited))),
  );
  const nodes = uniqueNodes(answers.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])));
  if (nodes.length > 0 || answers.some(({ status }) => status === 'fulfilled')) return { nodes, urls: [] };
  const reasons = answers.flatMap((each) => (each.status === 'rejected' ? [messageOf(each.reason)] : []));
  throw new OperatorError('connection-failed', `no node answers the query for the table of repmgr: ${reasons.join('; ')}`);
}

async function repmgrNodes(
  { config, environment }: Pick<Server, 'config' | 'environment'>,
  { entry }: ClusterNode,
  signal: AbortSignal,
): Promise<readonly ClusterNode[]> {
  const conninfo = clusterConninfo({ config, environment });
  const ask = async (dbname: string | undefined): Promise<readonly Row[] | undefined> => {
    const text = formatConninfo(dbname === undefined ? conninfo : new Map(conninfo).set('dbname', dbname));
    const nodes = new ServerNodes(
      { conninfo: text, streamingConninfo: undefined, wanted: { entry, isOnly: true } },
      environment,
    );
    await using connection = await nodes.queries(signal, nodeMs);
    // a query for a table that is missing would leave an error in the log of the server every few seconds
    const [found] = await connection.query("SELECT to_regclass('repmgr.nodes') IS NOT NULL AS is_there");
    if (found?.['is_there'] !== 't') return undefined;
    return await connection.query(
      "SELECT node_name, conninfo FROM repmgr.nodes WHERE type IN ('primary', 'standby') ORDER BY node_id",
    );
  };
  const rows = (await ask(undefined)) ?? (await ask('repmgr')); // the database that repmgr's manual makes for it
  if (rows === undefined) {
    throw new OperatorError(
      'connection-failed',
      'neither the database of conninfo nor the database repmgr has the table repmgr.nodes',
      {
        hint: 'register the primary with repmgr, or name the database of its extension in conninfo',
      },
    );
  }
  return rows.flatMap((row): ClusterNode[] => {
    const [host] = readParameters(parseConninfo(row['conninfo'] ?? ''), {}).hosts;
    return host === undefined ? [] : [{ entry: host, name: row['node_name'] ?? addressText(host) }];
  });
}
