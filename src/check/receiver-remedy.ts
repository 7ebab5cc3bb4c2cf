import { hasArrived, listStreamed } from '../catalog/wal/list-streamed.ts';
import { readKeptSegments, readReplicationSlot, readSegmentSize } from '../postgres/server-queries.ts';
import {
  describeLoss,
  describeStuckReceiver,
  diagnoseReceiver,
  type ReceiverDiagnosis,
  type StuckReceiver,
} from '../wal/diagnose-receiver.ts';
import { formatLsn } from '../wal/lsn.ts';
import { accessible } from './accessible.ts';
import type { CheckFacts } from './check.ts';
import { mendedBy, type NamedRemedy, type RemedyKey } from './remedies.ts';

/** The remedy for a receiver that cannot go on. */
export const stuckRemedies: readonly RemedyKey[] = ['receiver-stuck', 'receiver-ahead', 'slot-lost'];

/** A receiver that cannot go on: why, and what mends it. */
export interface StuckVerdict {
  readonly reason: string;
  readonly remedy: NamedRemedy;
}

/** Why the receiver cannot continue; undefined when it can, and where that is not known because the server cannot be asked. */
export async function findStuckReceiver(facts: CheckFacts): Promise<StuckVerdict | undefined> {
  const diagnosis = await diagnose(facts);
  switch (diagnosis?.kind) {
    case undefined:
    case 'goes-on':
      return undefined;
    case 'ahead':
      return {
        reason: `more WAL was streamed (${formatLsn(diagnosis.streamedTo)}) than the server has on timeline ${String(diagnosis.timeline)} (${formatLsn(diagnosis.position)})`,
        remedy: mendedBy('receiver-ahead', { streaming: facts.server.layout.streaming }),
      };
    case 'stuck':
      return { reason: describeStuckReceiver(diagnosis), remedy: remedyOfStuck(diagnosis) };
  }
}

/** As {@link findStuckReceiver}, for a slot that PostgreSQL gave up. */
function remedyOfStuck(stuck: StuckReceiver): NamedRemedy {
  const values = { reason: describeStuckReceiver(stuck), restart: stuck.restart, loss: describeLoss(stuck) };
  return stuck.why.kind === 'slot-lost'
    ? mendedBy('slot-lost', { ...values, slot: stuck.why.slot })
    : mendedBy('receiver-stuck', values);
}

async function diagnose(facts: CheckFacts): Promise<ReceiverDiagnosis | undefined> {
  const { server } = facts;
  const access = accessible(facts.walConnection ?? facts.connection);
  const stream = accessible(facts.walStreaming ?? facts.streaming);
  if (access === undefined || stream?.position === undefined) return undefined;
  const { slot_name: name } = server.config.options;
  const slot = name === undefined ? undefined : await readReplicationSlot(access.connection, name);
  const segmentSize = await readSegmentSize(access.connection);
  return diagnoseReceiver({
    segmentSize,
    newest: (await listStreamed(server.layout, segmentSize)).at(-1),
    timeline: stream.timeline,
    position: stream.position,
    history: stream.history,
    kept: await readKeptSegments(access.connection),
    isArchived: (segment) => hasArrived(server.layout, segment),
    slot: slot === undefined ? undefined : { ...slot, isLost: slot.walStatus === 'lost' },
  });
}
