import type { Environment } from '../shared/environment.ts';
import { type Connection, connect } from './connect.ts';
import type { Conninfo } from './conninfo.ts';
import { withService } from './service-file.ts';

/** Opens a connection for queries. @param conninfo text, or parameters without a service @throws OperatorError `connection-failed`, or `configuration-invalid` for a string that asks for what cannot be had */
export async function connectForQueries(
  conninfo: string | Conninfo,
  environment: Environment,
  signal?: AbortSignal,
): Promise<Connection> {
  const connection = await connect({
    conninfo: typeof conninfo === 'string' ? withService(conninfo, environment) : conninfo,
    environment,
    applicationName: 'barman',
    signal,
  });
  await connection.query("SET datestyle TO 'ISO'"); // instants come as text
  return connection;
}

/** Opens a connection for replication commands, seen on the server under `applicationName`. */
export async function connectForReplication(
  conninfo: string | Conninfo,
  environment: Environment,
  applicationName = 'barman',
  signal?: AbortSignal,
): Promise<Connection> {
  return await connect({
    conninfo: typeof conninfo === 'string' ? withService(conninfo, environment) : conninfo,
    environment,
    applicationName,
    isReplication: true,
    signal,
  });
}
