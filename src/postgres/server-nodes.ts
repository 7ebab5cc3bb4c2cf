import { randomBytes } from 'node:crypto';
import type { Environment } from '../shared/environment.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { type ClientConnection, clientConnection } from './client-connection.ts';
import type { Connection } from './connect.ts';
import { type Node, nameOfNode, readParameters } from './connection-parameters.ts';
import type { Conninfo } from './conninfo.ts';
import { conninfoAtNode, type WantedNode } from './conninfo-at-node.ts';
import { identifySystem } from './replication-commands.ts';
import { connectForQueries, connectForReplication } from './server-access.ts';
import { readIsInRecovery, readSystemId } from './server-queries.ts';
import { withService } from './service-file.ts';

/** How the servers of two connection strings differ. */
export interface Difference {
  /** False also when a role may not ask for the system identifier. */
  readonly isOtherCluster: boolean;
  /** Names both. */
  readonly reason: string;
}

/** The connection strings of a server. */
export interface ServerStrings {
  readonly conninfo: string | undefined;
  readonly streamingConninfo: string | undefined;
  /** The node of a cluster that both are to lead to. */
  readonly wanted?: WantedNode | undefined;
  /** The options that they stand in, for messages. */
  readonly keys?: { readonly conninfo: string; readonly streamingConninfo: string };
}

const usualKeys = { conninfo: 'conninfo', streamingConninfo: 'streaming_conninfo' };

/** A connection for replication commands. */
interface MarkedStream {
  readonly stream: Connection;
  /** Name that no other connection has, which its server shows. */
  readonly mark: string;
}

/**
 * The nodes that the connection strings of a server name, and the one of them that serves a command: the first that answered. Everything
 * that follows goes there, client programs too, as far as both strings name it.
 */
export class ServerNodes {
  readonly #strings: ServerStrings;
  readonly #environment: Environment;
  /** Under way from the first attempt on; another one begins when that failed. */
  #choice: Promise<Node | undefined> | undefined;
  #node: Node | undefined;

  constructor(strings: ServerStrings, environment: Environment) {
    this.#strings = strings;
    this.#environment = environment;
  }

  /** Opens a connection for queries. @throws OperatorError `connection-failed` or `configuration-invalid` */
  async queries(signal?: AbortSignal, answerMs?: number): Promise<Connection> {
    const open = async (conninfo: Conninfo) => await connectForQueries(conninfo, this.#environment, signal, answerMs);
    return await this.#choosing(this.#pinned(this.#read('conninfo')).then(open));
  }

  /** Opens a connection for replication commands. @throws OperatorError `connection-failed` or `configuration-invalid` */
  async replication(applicationName = 'barman', signal?: AbortSignal): Promise<Connection> {
    const conninfo = await this.#streaming(signal);
    return await this.#choosing(connectForReplication(conninfo, this.#environment, applicationName, signal));
  }

  /** The connection of a client program. @throws OperatorError `configuration-invalid` */
  async program(applicationName: string, signal?: AbortSignal): Promise<ClientConnection> {
    return await clientConnection(await this.#streaming(signal), applicationName);
  }

  /**
   * Makes sure that both strings reach one server.
   * @param connection one for queries
   * @throws OperatorError `backup-refused` naming both
   */
  async requireOneServer(connection: Connection, signal?: AbortSignal): Promise<void> {
    const marked = await this.marked(signal);
    await using stream = marked.stream;
    const difference = await this.difference(connection, { ...marked, stream });
    if (difference === undefined) return;
    throw new OperatorError('backup-refused', difference.reason, {
      hint: 'a backup begins and ends on the first, and copies its files from the second: give both the same host and port',
    });
  }

  /** Opens a connection for replication commands that its server can be told by. */
  async marked(signal?: AbortSignal): Promise<MarkedStream> {
    const mark = `pgcellar_${randomBytes(8).toString('hex')}`;
    const conninfo = new Map(await this.#streaming(signal)).set('application_name', mark);
    return { stream: await this.#choosing(connectForReplication(conninfo, this.#environment, mark, signal)), mark };
  }

  /**
   * How the servers differ that both strings reach; undefined when it is one.
   * @param connection one for queries
   */
  async difference(connection: Connection, { stream, mark }: MarkedStream): Promise<Difference | undefined> {
    const seen = await connection.query('SELECT 1 AS seen FROM pg_stat_get_activity(NULL) WHERE application_name = $1', [mark]);
    if (seen.length > 0) return undefined;
    const { conninfo: first, streamingConninfo: second } = this.#strings.keys ?? usualKeys;
    const { systemid } = await identifySystem(stream);
    const other = await readSystemId(connection);
    const state = (await readIsInRecovery(connection)) ? 'a standby' : 'a primary';
    const [here, there] = [nameOfNode(connection.node), nameOfNode(stream.node)];
    if (other !== undefined && other !== systemid) {
      const reason = `${first} reaches the cluster ${other} on ${here}, and ${second} the cluster ${systemid} on ${there}`;
      return { isOtherCluster: true, reason };
    }
    const which = other === undefined ? 'another server' : 'another node of that cluster';
    return { isOtherCluster: false, reason: `${first} reaches ${state} on ${here}, and ${second} ${which} on ${there}` };
  }

  async #streaming(signal: AbortSignal | undefined): Promise<Conninfo> {
    const conninfo = this.#read('streamingConninfo');
    if (this.#choice === undefined && this.#strings.conninfo !== undefined && this.#hasChoice(conninfo)) {
      await this.queries(signal).then(
        async (connection) => await connection.close(),
        () => undefined, // then the choice is free
      );
      signal?.throwIfAborted();
    }
    return await this.#pinned(conninfo);
  }

  #read(key: 'conninfo' | 'streamingConninfo'): Conninfo {
    const conninfo = withService(this.#strings[key] ?? this.#strings.conninfo ?? '', this.#environment);
    const { wanted } = this.#strings;
    return wanted === undefined ? conninfo : conninfoAtNode(conninfo, wanted, this.#environment);
  }

  async #choosing(opening: Promise<Connection>): Promise<Connection> {
    const isFirst = this.#choice === undefined;
    this.#choice ??= opening.then(
      ({ node }) => node,
      () => undefined,
    );
    try {
      const connection = await opening;
      this.#node ??= connection.node;
      return connection;
    } catch (error) {
      if (isFirst) this.#choice = undefined;
      throw error;
    }
  }

  /** Where there is nothing to choose nobody waits for a choice. */
  async #pinned(conninfo: Conninfo): Promise<Conninfo> {
    const node = this.#hasChoice(conninfo) ? await this.#choice : this.#node;
    return pinned(conninfo, node, this.#environment);
  }

  #hasChoice(conninfo: Conninfo): boolean {
    return readParameters(conninfo, this.#environment).hosts.length > 1;
  }
}

/** The same parameters for one node alone; unchanged when they do not name it. */
function pinned(conninfo: Conninfo, node: Node | undefined, environment: Environment): Conninfo {
  if (node === undefined) return conninfo;
  const { hosts } = readParameters(conninfo, environment);
  const { entry, address } = node;
  const isNamed = hosts.some(
    ({ host, hostaddr, port }) => host === entry.host && hostaddr === entry.hostaddr && port === entry.port,
  );
  if (!isNamed || (hosts.length === 1 && address === undefined)) return conninfo;
  const parameters = new Map(conninfo).set('host', entry.host).set('port', String(entry.port));
  const hostaddr = address ?? entry.hostaddr;
  return hostaddr === '' && !conninfo.has('hostaddr') && environment['PGHOSTADDR'] === undefined
    ? parameters
    : parameters.set('hostaddr', hostaddr);
}
