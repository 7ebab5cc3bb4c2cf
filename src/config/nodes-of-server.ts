import { ServerNodes } from '../postgres/server-nodes.ts';
import type { Server } from './server.ts';
import { walConnections } from './wal-connections.ts';

type Asked = Pick<Server, 'config' | 'environment' | 'node'>;

/** The nodes that `conninfo` and `streaming_conninfo` name; one object serves one command. */
export function nodesOf({ config: { options }, environment, node }: Asked): ServerNodes {
  const { conninfo, streaming_conninfo: streamingConninfo } = options;
  const isOtherThanWal = walConnections(options).overriddenBy.length > 0;
  return new ServerNodes({ conninfo, streamingConninfo, wanted: isOtherThanWal ? undefined : node }, environment);
}

/** The nodes that `primary_conninfo` names. */
export function primaryNodesOf({ config: { options }, environment }: Asked): ServerNodes {
  return new ServerNodes({ conninfo: options.primary_conninfo, streamingConninfo: undefined }, environment);
}

/** The nodes that WAL comes from. */
export function walNodesOf({ config: { options }, environment, node }: Asked): ServerNodes {
  return new ServerNodes({ ...walConnections(options), wanted: node }, environment);
}
