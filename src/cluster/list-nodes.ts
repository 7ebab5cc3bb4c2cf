import type { Server } from '../config/server.ts';
import type { Row } from '../postgres/connect.ts';
import { sqlStateOf } from '../postgres/connection-failure.ts';
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

/** All known nodes concurrently: the table is the same on each that replicates, and the first answer in their order counts. */
async function askRepmgr(
  server: Pick<Server, 'config' | 'environment'>,
  known: readonly ClusterNode[],
  signal: AbortSignal,
): Promise<Pick<ListedNodes, 'nodes' | 'urls'>> {
  const answers = await Promise.allSettled(known.map(async (node) => await repmgrNodes(server, node, signal)));
  const answer = answers.find((each) => each.status === 'fulfilled');
  if (answer !== undefined) return { nodes: answer.value, urls: [] };
  const reasons = answers.flatMap((each) => (each.status === 'rejected' ? [messageOf(each.reason)] : []));
  throw new OperatorError('connection-failed', `no node answers the query for the table of repmgr: ${reasons.join('; ')}`);
}

const missingTable = '42P01';

async function repmgrNodes(
  { config, environment }: Pick<Server, 'config' | 'environment'>,
  { entry }: ClusterNode,
  signal: AbortSignal,
): Promise<readonly ClusterNode[]> {
  const conninfo = clusterConninfo({ config, environment });
  const ask = async (dbname: string | undefined): Promise<readonly Row[]> => {
    const text = formatConninfo(dbname === undefined ? conninfo : new Map(conninfo).set('dbname', dbname));
    const nodes = new ServerNodes(
      { conninfo: text, streamingConninfo: undefined, wanted: { entry, isOnly: true } },
      environment,
    );
    await using connection = await nodes.queries(signal, sourceMs);
    return await connection.query(
      "SELECT node_name, conninfo FROM repmgr.nodes WHERE type IN ('primary', 'standby') ORDER BY node_id",
    );
  };
  const rows = await ask(undefined).catch(async (error: unknown) => {
    if (sqlStateOf(error) !== missingTable) throw error;
    return await ask('repmgr'); // the database that repmgr's manual makes for it
  });
  return rows.flatMap((row): ClusterNode[] => {
    const [host] = readParameters(parseConninfo(row['conninfo'] ?? ''), {}).hosts;
    return host === undefined ? [] : [{ entry: host, name: row['node_name'] ?? addressText(host) }];
  });
}
