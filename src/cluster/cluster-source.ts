import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { readParameters } from '../postgres/connection-parameters.ts';
import type { Conninfo } from '../postgres/conninfo.ts';
import { withService } from '../postgres/service-file.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { ClusterSource } from './cluster-node.ts';

type Asked = Pick<Server, 'config' | 'environment'>;

const words: readonly ClusterSource[] = ['conninfo', 'repmgr', 'patroni', 'off'];

/**
 * Where the nodes of a server's cluster are read from: what `cluster_nodes` says, or `cluster` with one of its words; else the hosts of a
 * connection string that names several and asks for no standby.
 */
export function clusterSourceOf(server: Asked): ClusterSource {
  const { options, sources, isPassive } = server.config;
  if (isPassive) return 'off';
  if (options.cluster_nodes !== undefined) return options.cluster_nodes;
  const word = words.find((each) => each === options.cluster);
  if (word !== undefined && sources.cluster !== undefined) return word;
  return namesSeveral(server) ? 'conninfo' : 'off';
}

/** The connection string that WAL and its nodes are asked about, with its service resolved. @throws OperatorError `configuration-invalid` */
export function clusterConninfo({ config, environment }: Asked): Conninfo {
  return withService(walConnections(config.options).conninfo ?? '', environment);
}

function namesSeveral(server: Asked): boolean {
  const text = walConnections(server.config.options).conninfo;
  if (text?.includes(',') !== true && !/service/.test(text ?? '')) return false; // the usual case costs nothing
  try {
    const { hosts, sessionAttributes } = readParameters(clusterConninfo(server), server.environment);
    return hosts.length > 1 && ['any', 'read-write', 'primary'].includes(sessionAttributes);
  } catch (error) {
    if (error instanceof OperatorError) return false; // connecting reports the mistake
    throw error;
  }
}
