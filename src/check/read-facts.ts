import { readBackupRecords } from '../catalog/backups/backup-records.ts';
import { methodOf } from '../config/backup-methods.ts';
import { nodesOf, primaryNodesOf, walNodesOf } from '../config/nodes-of-server.ts';
import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { type ClientProgram, type ClientProgramName, findClientProgram } from '../postgres/client-programs.ts';
import type { Connection } from '../postgres/connect.ts';
import { identifySystem, readTimelineHistory } from '../postgres/replication-commands.ts';
import type { ServerNodes } from '../postgres/server-nodes.ts';
import { readServerVersion, readSetting } from '../postgres/server-queries.ts';
import { expectedFailureOf, OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import { accessible } from './accessible.ts';
import type { Attempt, CheckFacts, QueryAccess, StreamAccess } from './check.ts';
import { connectionRemedy } from './connection-remedy.ts';
import type { OpenConnections } from './open-connections.ts';
import { readHost } from './read-host.ts';
import { mendedBy } from './remedies.ts';
import { WalReading } from './wal-reading.ts';

const oldestVersion = 90_600;

type Records = Pick<CheckFacts, 'backups' | 'broken' | 'recordsFailure'>;
type Accesses = Pick<CheckFacts, 'connection' | 'streaming' | 'walConnection' | 'walStreaming' | 'primary'>;

/** Reads the catalog and tries every connection, all concurrently; what goes wrong becomes part of the facts. */
export async function readFacts(server: Server, connections: OpenConnections, open?: Host): Promise<CheckFacts> {
  const { config, environment, layout, programPath: path } = server;
  const isAsked = config.isActive && !config.isPassive;
  const host = isAsked ? readHost(server, open) : undefined; // a login takes longest of all: the others wait beside it
  host?.catch(() => undefined); // the check that asks gets the reason
  const [records, accesses] = await Promise.all([
    readRecords(server),
    isAsked ? tryConnections(server, connections) : noAccess,
  ]);
  const serverVersion = accessible(accesses.streaming)?.version.number ?? 0;
  const programs = new Map<ClientProgramName, Promise<ClientProgram | undefined>>();
  return {
    server,
    ...records,
    ...accesses,
    wal: new WalReading(layout, records.backups),
    host: async () => await (host ?? readHost(server, open)),
    clientProgram: async (name) => {
      const found = programs.get(name) ?? findClientProgram(name, { path, environment, serverVersion });
      programs.set(name, found);
      return await found;
    },
  };
}

const noAccess: Accesses = {
  connection: undefined,
  streaming: undefined,
  walConnection: undefined,
  walStreaming: undefined,
  primary: undefined,
};

async function readRecords({ layout }: Server): Promise<Records> {
  try {
    return { ...(await readBackupRecords(layout)), recordsFailure: undefined };
  } catch (error) {
    const recordsFailure = expectedFailureOf(error);
    if (recordsFailure === undefined) throw error;
    return { backups: [], broken: [], recordsFailure };
  }
}

async function tryConnections(server: Server, connections: OpenConnections): Promise<Accesses> {
  const { options } = server.config;
  const { signal } = connections;
  const query = (key: string, text: string | undefined, nodes: ServerNodes) =>
    attempt(key, text, false, async () => queryAccess(await connections.add(nodes.queries(signal))));
  const stream = (key: string, text: string | undefined, nodes: ServerNodes) =>
    attempt(key, text, true, async () => {
      const opening = nodes.marked(signal);
      const connection = await connections.add(opening.then(({ stream: opened }) => opened));
      const marked = await opening;
      return {
        ...(await streamAccess(connection)),
        differenceFrom: async (other: Connection) => await nodes.difference(other, marked),
      };
    });
  const [nodes, walNodes] = [nodesOf(server), walNodesOf(server)];
  const wal = walConnections(options);
  const isOtherSource = wal.conninfo !== options.conninfo;
  const needsStreaming = options.streaming_archiver || methodOf(options).streams;
  const [connection, streaming, walConnection, walStreaming, ofPrimary] = await Promise.all([
    query('conninfo', options.conninfo, nodes),
    needsStreaming ? stream('streaming_conninfo', options.streaming_conninfo, nodes) : undefined,
    isOtherSource ? query('wal_conninfo', wal.conninfo, walNodes) : undefined,
    isOtherSource ? stream('wal_streaming_conninfo', wal.streamingConninfo, walNodes) : undefined,
    options.primary_conninfo === undefined
      ? undefined
      : query('primary_conninfo', options.primary_conninfo, primaryNodesOf(server)),
  ]);
  return { connection, streaming, walConnection, walStreaming, primary: ofPrimary };
}

async function attempt<T>(
  key: string,
  conninfo: string | undefined,
  isReplication: boolean,
  open: () => Promise<T>,
): Promise<Attempt<T>> {
  if (conninfo === undefined)
    return { kind: 'failed', reason: `${key} is not set`, remedy: mendedBy('conninfo-unset', { key }) };
  try {
    return { kind: 'ok', value: await open() };
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error;
    const remedy = await connectionRemedy({ isReplication, key, conninfo, error });
    return { kind: 'failed', reason: error.message, remedy };
  }
}

async function queryAccess(connection: Connection): Promise<QueryAccess> {
  const version = await readServerVersion(connection);
  if (version.number >= oldestVersion) return { connection, version };
  throw new OperatorError(
    'connection-failed',
    `PostgreSQL ${version.text} is too old: 9.6 is the oldest that can be backed up`,
  );
}

/** `SHOW` is the one statement besides its own that a replication connection takes. */
async function streamAccess(connection: Connection): Promise<Omit<StreamAccess, 'differenceFrom'>> {
  const identity = await identifySystem(connection);
  const number = Number(await readSetting(connection, 'server_version_num'));
  const text = ((await readSetting(connection, 'server_version')) ?? '').split(' ')[0] ?? '';
  return { ...identity, version: { number, text }, history: await readTimelineHistory(connection, identity.timeline) };
}
