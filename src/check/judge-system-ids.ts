import { join } from 'node:path';
import { readIdentity } from '../catalog/identity.ts';
import { readSystemId } from '../postgres/server-queries.ts';
import { accessible } from './accessible.ts';
import type { Attempt, CheckFacts, QueryAccess, StreamAccess, Verdict } from './check.ts';
import { failed, passed } from './verdict.ts';

interface Accesses {
  readonly connection: Attempt<QueryAccess> | undefined;
  readonly streaming: Attempt<StreamAccess> | undefined;
}

/** Both connections reach one system, and it is the one that the catalog belongs to. */
export async function judgeSystemIds({ server }: CheckFacts, accesses: Accesses): Promise<Verdict> {
  const access = accessible(accesses.connection);
  const streamed = accessible(accesses.streaming)?.systemid;
  const asked = access === undefined ? undefined : await readSystemId(access.connection);
  const found = streamed ?? asked;
  if (found === undefined) return passed('no system Id available');
  if (asked !== undefined && asked !== found) {
    return failed('is the streaming DSN targeting the same server of the PostgreSQL connection string?');
  }
  const stored = (await readIdentity(server.layout))?.systemid;
  if (stored === undefined) return passed('no system Id stored on disk');
  if (stored === found) return passed();
  const path = join(server.layout.root, 'identity.json');
  return failed(`the system Id of the connected PostgreSQL server changed, stored in "${path}"`);
}
