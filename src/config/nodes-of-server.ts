import { ServerNodes } from '../postgres/server-nodes.ts';
import type { Server } from './server.ts';
import { walConnections } from './wal-connections.ts';

/** The nodes that `conninfo` and `streaming_conninfo` name; one object serves one command. */
export function nodesOf({ config: { options }, environment }: Pick<Server, 'config' | 'environment'>): ServerNodes {
  return new ServerNodes({ conninfo: options.conninfo, streamingConninfo: options.streaming_conninfo }, environment);
}

/** The nodes that `primary_conninfo` names. */
export function primaryNodesOf({ config: { options }, environment }: Pick<Server, 'config' | 'environment'>): ServerNodes {
  return new ServerNodes({ conninfo: options.primary_conninfo, streamingConninfo: undefined }, environment);
}

/** The nodes that WAL comes from. */
export function walNodesOf({ config: { options }, environment }: Pick<Server, 'config' | 'environment'>): ServerNodes {
  return new ServerNodes(walConnections(options), environment);
}
