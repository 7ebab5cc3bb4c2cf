import { serverLockPath } from '../../catalog/server-layout.ts';
import { chooseBackupNode } from '../../cluster/choose-backup-node.ts';
import { lookAtCluster } from '../../cluster/look-at-cluster.ts';
import { rememberCluster } from '../../cluster/remembered-cluster.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { isLockHeld } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { ClusterReport } from '../reports/cluster-report.ts';

/**
 * The nodes of a server's cluster, and what the receiver does about them next.
 * @throws OperatorError `configuration-invalid` for a server without connection strings
 */
export async function showCluster(server: Server, context: Context): Promise<ClusterReport> {
  const { options, name } = server.config;
  if (options.conninfo === undefined)
    throw new OperatorError('configuration-invalid', `server ${name} has no conninfo, which names the nodes of its cluster`);
  const view = await lookAtCluster(server, context);
  const isReceiving = await isLockHeld(serverLockPath(server.layout, 'receive-wal'));
  if (!isReceiving && view.source !== 'off') await rememberCluster(server.layout, view.after); // the receiver does it itself
  const choice = chooseBackupNode(view.nodes, view.plan, options.backup_from);
  return {
    serverName: name,
    view,
    slotName: options.slot_name,
    streamsFrom: isReceiving ? view.before.followed : undefined,
    backsUpFrom: choice.kind === 'node' ? choice.node : undefined,
  };
}
