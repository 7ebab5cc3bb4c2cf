import { join } from 'node:path';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf, messageOf } from '../shared/operator-error.ts';
import { remoteHost } from '../transport/hosts/remote-host.ts';
import { isSameNode, type ObservedNode, sshCommandAt } from './cluster-node.ts';
import type { StoppedNode } from './plan-following.ts';
import type { RememberedCluster } from './remembered-cluster.ts';
import { withinLimit } from './within-limit.ts';

/** For one host to list its files; one that is gone holds up nobody longer. */
const listingMs = 10_000;

interface Known {
  readonly nodes: readonly ObservedNode[];
  /** The remembered facts about them. */
  readonly before: Pick<RememberedCluster, 'nodes'>;
}

/** The WAL files of nodes that do not answer, read through `cluster_ssh` where it is set: PostgreSQL is down there, its host need not be. */
export async function listStoppedNodes(
  { config, environment }: Pick<Server, 'config' | 'environment'>,
  { nodes, before }: Known,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<readonly StoppedNode[]> {
  const { cluster_ssh: command } = config.options;
  if (command === undefined) return [];
  const listed = await Promise.all(
    nodes.map(async (node): Promise<StoppedNode | undefined> => {
      const data = before.nodes.find((each) => isSameNode(each, node))?.dataDirectory;
      if (node.kind === 'reached' || data === undefined) return undefined;
      const walFolder = join(data, 'pg_wal');
      try {
        await using host = remoteHost({ sshCommand: sshCommandAt(node, command), environment });
        const files = await withinLimit(listingMs, signal, async () => await host.list(`${walFolder}/`));
        return { entry: node.entry, name: node.name, walFolder, files: new Set(files) };
      } catch (error) {
        if (expectedFailureOf(error) === undefined || signal.aborted) throw error;
        log.warning(`the WAL files of ${node.name} cannot be listed: ${messageOf(error)}`);
        return undefined;
      }
    }),
  );
  return listed.filter((node) => node !== undefined);
}
