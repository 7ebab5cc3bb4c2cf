import { serverLockPath } from '../catalog/server-layout.ts';
import { isLogicalSlot, type ReplicationSlot, readReplicationSlot } from '../postgres/server-queries.ts';
import { isLockHeld } from '../shared/file-lock.ts';
import { accessible } from './accessible.ts';
import type { Attempt, CheckFacts, QueryAccess, Verdict } from './check.ts';
import { findStuckReceiver, stuckRemedies } from './receiver-remedy.ts';
import { mendedBy, type RemedyKey } from './remedies.ts';
import { failed, passed } from './verdict.ts';

/** The remedy for the receiver's slot. */
export const slotRemedies: readonly RemedyKey[] = [
  'slot-unknown',
  'slot-missing',
  'slot-logical',
  'slot-idle',
  'slot-unreserved',
  'slot-other',
  ...stuckRemedies,
];

/**
 * The receiver's slot: there, with all the WAL that it needs, initialised and in use; without a receiver one that holds WAL back is worth a
 * warning. Of a server that cannot be asked it is not known.
 */
export async function judgeSlot(facts: CheckFacts, attempt: Attempt<QueryAccess> | undefined): Promise<Verdict | undefined> {
  const { server } = facts;
  const { slot_name: name, streaming_archiver: isWanted } = server.config.options;
  const access = accessible(attempt);
  if (name === undefined) return undefined;
  if (access === undefined) {
    return isWanted ? failed('unknown, because PostgreSQL does not answer', mendedBy('slot-unknown')) : undefined;
  }
  const slot = await readReplicationSlot(access.connection, name);
  if (!isWanted) {
    if (slot?.restartLsn === undefined) return undefined;
    const state = slot.isActive ? 'active' : 'initialised';
    return passed(`WARNING: slot '${name}' is ${state} but not required by the current config`);
  }
  if (slot === undefined) return await missing(facts, access, name);
  if (slot.isActive) {
    return slot.walStatus === 'unreserved'
      ? passed(`WARNING: PostgreSQL is about to remove WAL that slot '${name}' needs (wal_status = unreserved)`)
      : passed();
  }
  return await idle(facts, slot);
}

async function missing({ server }: CheckFacts, { connection }: QueryAccess, name: string): Promise<Verdict> {
  if (await isLogicalSlot(connection, name))
    return failed(`replication slot '${name}' is a logical slot`, mendedBy('slot-logical', { slot: name }));
  const hintFor = (program: string): string =>
    `replication slot '${name}' doesn't exist. Please execute '${program} receive-wal --create-slot ${server.config.name}'`;
  return { ...failed(hintFor('pgcellar'), mendedBy('slot-missing', { slot: name })), asBarman: hintFor('barman') };
}

async function idle(facts: CheckFacts, { name, walStatus, restartLsn }: ReplicationSlot): Promise<Verdict> {
  const isReceiving = await isLockHeld(serverLockPath(facts.server.layout, 'receive-wal'));
  if (walStatus === 'lost' || !isReceiving) {
    const stuck = await findStuckReceiver(facts);
    if (stuck !== undefined) return failed(stuck.reason, stuck.remedy);
  }
  const values = { slot: name };
  if (walStatus === 'unreserved')
    return failed(
      `slot '${name}' not active, and PostgreSQL may remove its WAL at the next checkpoint`,
      mendedBy('slot-unreserved', values),
    );
  const remedy = mendedBy(isReceiving ? 'slot-other' : 'slot-idle', values);
  if (restartLsn === undefined) return failed(`slot '${name}' not initialised: is 'receive-wal' running?`, remedy);
  return failed(`slot '${name}' not active: is 'receive-wal' running?`, remedy);
}
