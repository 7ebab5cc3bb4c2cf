import { serverLockPath } from '../catalog/server-layout.ts';
import { readReplicationSlot } from '../postgres/server-queries.ts';
import { isLockHeld } from '../shared/file-lock.ts';
import { accessible } from './accessible.ts';
import type { Attempt, CheckFacts, QueryAccess, Verdict } from './check.ts';
import { mendedBy } from './remedies.ts';
import { failed, passed } from './verdict.ts';

/** The receiver's slot: there, initialised and in use; without a receiver one that holds WAL back is worth a warning. */
export async function judgeSlot(
  { server }: CheckFacts,
  attempt: Attempt<QueryAccess> | undefined,
): Promise<Verdict | undefined> {
  const { slot_name: name, streaming_archiver: isWanted } = server.config.options;
  if (name === undefined) return undefined;
  const access = accessible(attempt);
  const slot = access === undefined ? undefined : await readReplicationSlot(access.connection, name);
  if (!isWanted) {
    if (slot?.restartLsn === undefined) return undefined;
    const state = slot.isActive ? 'active' : 'initialised';
    return passed(`WARNING: slot '${name}' is ${state} but not required by the current config`);
  }
  if (slot === undefined) {
    return failed(
      `replication slot '${name}' doesn't exist. Please execute 'pgcellar receive-wal --create-slot ${server.config.name}'`,
      mendedBy('slot-missing', { slot: name }),
    );
  }
  if (slot.isActive) return passed();
  const isReceiving = await isLockHeld(serverLockPath(server.layout, 'receive-wal'));
  const idle = mendedBy(isReceiving ? 'slot-other' : 'slot-idle', { slot: name });
  if (slot.restartLsn === undefined) return failed(`slot '${name}' not initialised: is 'receive-wal' running?`, idle);
  return failed(`slot '${name}' not active: is 'receive-wal' running?`, idle);
}
