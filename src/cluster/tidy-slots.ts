import type { Server } from '../config/server.ts';
import { walConnections } from '../config/wal-connections.ts';
import { sqlStateOf } from '../postgres/connection-failure.ts';
import { createSlot, dropSlot } from '../postgres/replication-commands.ts';
import { ServerNodes } from '../postgres/server-nodes.ts';
import { advanceSlot } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import type { Lsn } from '../wal/lsn.ts';
import { isSameNode, type ObservedNode, type ReachedNode } from './cluster-node.ts';
import { readRememberedCluster, rememberCluster } from './remembered-cluster.ts';

interface Tidying {
  readonly nodes: readonly ObservedNode[];
  /** The node that WAL is streamed from. */
  readonly primary: ReachedNode;
}

/** The plan for the slot of a standby. */
type SlotStep = { readonly kind: 'drop' | 'create' | 'remake' } | { readonly kind: 'advance'; readonly to: Lsn };

const notAllowed = '42501';

/**
 * Keeps the slots of the other nodes in order: with `cluster_slots = all` each standby has one that moves along with ours; else the one that
 * is left on a node that was streamed from goes, which would hold WAL there for ever. Optional work: the next look tries again.
 */
export async function tidySlots(server: Server, { nodes, primary }: Tidying, context: Context): Promise<void> {
  const { slot_name: name, cluster_slots: wanted } = server.config.options;
  if (name === undefined) return;
  const { left } = readRememberedCluster(server.layout);
  const position = primary.slots.find((slot) => slot.name === name)?.restartLsn;
  for (const node of nodes) {
    if (node.kind === 'missed' || !node.isInRecovery || node.systemid !== primary.systemid) continue;
    const wasStreamedFrom = left.some((each) => isSameNode(each, node));
    const step = slotStep(node, { name, wanted, position, wasStreamedFrom });
    try {
      if (step !== undefined) await carryOut(step, { server, node, name }, context);
      if (wanted === 'all' && !wasStreamedFrom) await noteOurs(server, node);
      if (wasStreamedFrom && wanted === 'primary') await forget(server, node);
    } catch (error) {
      if (!(error instanceof OperatorError) || context.signal.aborted) throw error;
      context.log.warning(`the replication slot '${name}' of ${node.name} stays as it is: ${messageOf(error)}`);
    }
  }
}

interface SlotFacts {
  readonly name: string;
  readonly wanted: 'primary' | 'all';
  /** From where on we may still need WAL. */
  readonly position: Lsn | undefined;
  readonly wasStreamedFrom: boolean;
}

/** The plan for the slot of a standby; undefined where nothing has to be done. */
export function slotStep(
  { slots, segmentSize }: Pick<ReachedNode, 'slots' | 'segmentSize'>,
  { name, wanted, position, wasStreamedFrom }: SlotFacts,
): SlotStep | undefined {
  const slot = slots.find((each) => each.name === name);
  if (slot?.isActive === true) return undefined; // somebody else's, or ours until its server notices
  if (wanted === 'primary') return slot !== undefined && wasStreamedFrom ? { kind: 'drop' } : undefined;
  if (slot === undefined) return { kind: 'create' };
  if (slot.walStatus === 'lost') return { kind: 'remake' };
  const { restartLsn } = slot;
  if (position === undefined) return undefined;
  if (restartLsn !== undefined && position < restartLsn + BigInt(segmentSize)) return undefined;
  return { kind: 'advance', to: position };
}

interface SlotPlace {
  readonly server: Server;
  readonly node: ReachedNode;
  readonly name: string;
}

async function carryOut(step: SlotStep, { server, node, name }: SlotPlace, { log, signal }: Context): Promise<void> {
  const wanted = { entry: node.entry, isOnly: true };
  const nodes = new ServerNodes({ ...walConnections(server.config.options), wanted }, server.environment);
  if (step.kind === 'advance') {
    try {
      await using connection = await nodes.queries(signal);
      await advanceSlot(connection, name, step.to);
      return;
    } catch (error) {
      if (sqlStateOf(error) !== notAllowed) throw error; // the role of conninfo may lack REPLICATION
    }
  }
  await using connection = await nodes.replication('barman', signal);
  if (step.kind !== 'create' && (await dropSlot(connection, name)) === 'in-use') return;
  if (step.kind === 'drop') {
    log.info(`the replication slot '${name}' of ${node.name}, which is no longer a primary, was dropped`);
    return;
  }
  await createSlot(connection, name, { reservesWal: true });
  log.info(`the replication slot '${name}' of ${node.name} begins anew`);
}

/** A slot that was made here goes when `cluster_slots` is `primary` again. */
async function noteOurs({ layout }: Server, { entry, name }: ReachedNode): Promise<void> {
  const remembered = readRememberedCluster(layout);
  await rememberCluster(layout, { ...remembered, left: [...remembered.left, { entry, name }] });
}

async function forget({ layout }: Server, node: ReachedNode): Promise<void> {
  const remembered = readRememberedCluster(layout);
  await rememberCluster(layout, { ...remembered, left: remembered.left.filter((each) => !isSameNode(each, node)) });
}
