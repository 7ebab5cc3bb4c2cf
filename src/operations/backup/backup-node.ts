import { chooseBackupNode } from '../../cluster/choose-backup-node.ts';
import { isSameNode, sshCommandAt } from '../../cluster/cluster-node.ts';
import { clusterConninfo, clusterSourceOf } from '../../cluster/cluster-source.ts';
import { lookAtCluster } from '../../cluster/look-at-cluster.ts';
import type { Server } from '../../config/server.ts';
import { formatConninfo } from '../../postgres/conninfo.ts';
import { conninfoAtNode } from '../../postgres/conninfo-at-node.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, OperatorError } from '../../shared/operator-error.ts';

/**
 * The server with its connections at the node that a backup is to be taken from; itself where no cluster is followed.
 * @throws OperatorError `backup-refused` when no node is fit for it
 */
export async function atBackupNode(server: Server, context: Context): Promise<Server> {
  if (clusterSourceOf(server) === 'off') return server;
  const { config, environment } = server;
  const { options, name } = config;
  const { nodes, plan } = await lookAtCluster(server, context, { isBrief: true });
  const choice = chooseBackupNode(nodes, plan, options.backup_from);
  if (choice.kind === 'none' || plan.kind === 'wait' || plan.kind === 'refuse') {
    const reason = choice.kind === 'none' ? choice.reason : '';
    throw new OperatorError('backup-refused', `no node of server ${name} can be backed up: ${reason}`, {
      hint: plan.kind === 'refuse' ? plan.remedy : `backup_from = ${options.backup_from}: show-cluster ${name} shows the nodes`,
    });
  }
  const { node } = choice;
  context.messages.info(
    `The backup of server ${name} is taken from ${node.name}, ${node.isInRecovery ? 'a standby' : 'the primary'}`,
  );
  const atPrimary = conninfoAtNode(clusterConninfo(server), { entry: plan.node.entry, isOnly: true }, environment);
  return {
    ...server,
    node: { entry: node.entry, isOnly: true },
    config: {
      ...config,
      options: {
        ...options,
        ...(node.isInRecovery ? { primary_conninfo: options.primary_conninfo ?? formatConninfo(atPrimary) } : {}),
        ...(options.cluster_ssh === undefined ? {} : { ssh_command: sshCommandAt(node, options.cluster_ssh) }),
      },
    },
  };
}

/**
 * The change of the node that a backup was taken from; undefined where there was none, or none is known.
 * @param wasInRecovery when the backup began
 */
export async function describeNodeChange(
  server: Server,
  wasInRecovery: boolean,
  context: Context,
): Promise<string | undefined> {
  const { node } = server;
  if (node?.isOnly !== true || context.signal.aborted) return undefined;
  try {
    const { nodes } = await lookAtCluster(server, context, { isBrief: true });
    const now = nodes.find((each) => isSameNode(each, node));
    if (now === undefined) return undefined;
    if (now.kind === 'missed') return `the node ${now.name} was lost while the backup ran`;
    if (now.isInRecovery === wasInRecovery) return undefined;
    return `the node ${now.name} was ${wasInRecovery ? 'promoted' : 'demoted'} while the backup ran`;
  } catch (error) {
    if (expectedFailureOf(error) === undefined) throw error;
    return undefined;
  }
}
