import { readSetting } from '../postgres/server-queries.ts';
import { accessible } from './accessible.ts';
import type { Attempt, QueryAccess, Verdict } from './check.ts';
import { mendedBy } from './remedies.ts';
import type { QueryOption } from './remedy.ts';
import { failed, passed } from './verdict.ts';

/** A server that writes too little WAL cannot be backed up. */
export async function judgeWalLevel(
  attempt: Attempt<QueryAccess> | undefined,
  over: QueryOption,
): Promise<Verdict | undefined> {
  const access = accessible(attempt);
  if (access === undefined) return undefined;
  const level = await readSetting(access.connection, 'wal_level');
  return level === 'minimal'
    ? failed("please set it to a higher level than 'minimal'", mendedBy('wal-level-minimal', {}, over))
    : passed();
}
