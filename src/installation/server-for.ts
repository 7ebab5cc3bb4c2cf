import type { ServerLayout } from '../catalog/server-layout.ts';
import { clusterSourceOf } from '../cluster/cluster-source.ts';
import { readRememberedCluster } from '../cluster/remembered-cluster.ts';
import type { Server } from '../config/server.ts';
import type { Configuration, ServerConfig } from '../config/server-config.ts';
import type { Environment } from '../shared/environment.ts';

interface ServerParts {
  readonly configuration: Configuration;
  readonly configurationPath: string;
  readonly environment: Environment;
  /** Of the units of systemd that receivers may run as. */
  readonly unitPrefix?: string | undefined;
}

/** The names of servers that are the same in the name of a unit. */
const unitSafe = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** One server of a configuration with its place on disk and what programs are run with. */
export function serverFor(
  config: ServerConfig,
  { configuration: { global }, configurationPath, environment, unitPrefix }: ServerParts,
): Server {
  const { options } = config;
  const ownPath = environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const programPath = options.path_prefix === undefined ? ownPath : `${options.path_prefix}:${ownPath}`;
  const layout: ServerLayout = {
    serverName: config.name,
    root: options.backup_directory,
    base: options.basebackups_directory,
    wals: options.wals_directory,
    xlogdb: options.xlogdb_directory,
    incoming: options.incoming_wals_directory,
    streaming: options.streaming_wals_directory,
    errors: options.errors_directory,
    locks: global.barman_lock_directory,
  };
  const receiverUnit =
    unitPrefix === undefined || !unitSafe.test(config.name) ? undefined : `${unitPrefix}-receive-wal@${config.name}.service`;
  const server = {
    config,
    layout,
    configurationPath,
    programPath,
    environment: { ...environment, PATH: programPath },
    receiverUnit,
  };
  return { ...server, node: followedNode(server) };
}

/** The node of its cluster that the receiver of a server followed last: commands go there first. */
function followedNode(server: Pick<Server, 'config' | 'environment' | 'layout'>): Server['node'] {
  if (clusterSourceOf(server) === 'off') return undefined;
  const { followed } = readRememberedCluster(server.layout);
  return followed === undefined ? undefined : { entry: followed.entry, isOnly: false };
}
