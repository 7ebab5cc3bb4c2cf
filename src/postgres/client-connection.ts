import { clientConninfo, formatConninfo, parseConninfo, withoutPassword } from './conninfo.ts';

/** What a client program is started with: the connection string without the password, which travels in the environment. */
export interface ClientConnection {
  readonly connection: string;
  readonly secrets: Readonly<Record<string, string>>;
}

/** For `--dbname` of `pg_basebackup` and `pg_receivewal`. */
export function clientConnection(conninfo: string, applicationName: string): ClientConnection {
  const { conninfo: parameters, password } = withoutPassword(clientConninfo(parseConninfo(conninfo), applicationName));
  return { connection: formatConninfo(parameters), secrets: password === undefined ? {} : { PGPASSWORD: password } };
}
