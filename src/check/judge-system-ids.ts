import { join } from 'node:path';
import { readIdentity, readKnownCluster } from '../catalog/identity.ts';
import type { Server } from '../config/server.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import { readSystemId } from '../postgres/server-queries.ts';
import { withService } from '../postgres/service-file.ts';
import { accessible } from './accessible.ts';
import type { Attempt, CheckFacts, QueryAccess, StreamAccess, Verdict } from './check.ts';
import { movedTo } from './connection-remedy.ts';
import { mendedBy, type NamedRemedy } from './remedies.ts';
import { failed, passed } from './verdict.ts';

interface Accesses {
  readonly connection: Attempt<QueryAccess> | undefined;
  readonly streaming: Attempt<StreamAccess> | undefined;
}

/** Both connections reach one system, and it is the one that the catalog belongs to. */
export async function judgeSystemIds({ server }: CheckFacts, accesses: Accesses): Promise<Verdict> {
  const access = accessible(accesses.connection);
  const stream = accessible(accesses.streaming);
  const streamed = stream?.systemid;
  const asked = access === undefined ? undefined : await readSystemId(access.connection);
  const found = streamed ?? asked;
  if (found === undefined) return passed('no system Id available');
  if (asked !== undefined && asked !== found) {
    return failed(
      'is the streaming DSN targeting the same server of the PostgreSQL connection string?',
      differingStrings(server),
    );
  }
  const verdict = await judgeByCatalog(server, found);
  // WAL may come from another node of the cluster, which is told
  const difference = access === undefined ? undefined : await stream?.differenceFrom(access.connection);
  return difference === undefined || !verdict.isOk || verdict.hint !== undefined
    ? verdict
    : { ...passed(difference.reason), asBarman: '' };
}

async function judgeByCatalog(server: Server, found: string): Promise<Verdict> {
  const stored = (await readIdentity(server.layout))?.systemid;
  if (stored === undefined) return await judgeByContent(server, found);
  if (stored === found) return passed();
  const path = join(server.layout.root, 'identity.json');
  return failed(
    `the system Id of the connected PostgreSQL server changed, stored in "${path}"`,
    mendedBy('another-cluster', { folder: server.layout.root, stored, found }),
  );
}

/** Without `identity.json`, which the next backup writes, backups and WAL say what the catalog belongs to. */
async function judgeByContent(server: Server, found: string): Promise<Verdict> {
  const known = await readKnownCluster(server);
  if (known === undefined || known.systemid === found) return passed('no system Id stored on disk');
  return failed(
    `the system Id of the connected PostgreSQL server is ${found}, that of ${known.source} is ${known.systemid}`,
    mendedBy('another-cluster', { folder: server.layout.root, stored: known.systemid, found }),
  );
}

/** The remedy for strings that reach two servers: the replication connection as the other one has it, same host and port, its own role. */
export function differingStrings({ config: { options }, environment }: Server): NamedRemedy {
  const isOther = options.wal_conninfo !== undefined || options.wal_streaming_conninfo !== undefined;
  const [key, other] = isOther
    ? (['wal_streaming_conninfo', 'wal_conninfo'] as const)
    : (['streaming_conninfo', 'conninfo'] as const);
  const right = withService(options[other] ?? options.conninfo ?? '', environment);
  return mendedBy('connections-differ', { key, other, better: movedTo(parseConninfo(options[key] ?? ''), right) });
}
