import { expect, test } from 'vitest';
import type { ObservedNode } from '../../../src/cluster/cluster-node.ts';
import { type FollowingPlan, planFollowing } from '../../../src/cluster/plan-following.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';
import { segmentAtIndex } from '../../../src/wal/wal-name.ts';

const segmentSize = 1024 * 1024;
/** Position in segments: 5.5 is the middle of segment 5. */
const at = (segments: number) => lsnFromBytes(BigInt(Math.round(segments * segmentSize)));
/** `2:5`: segment 5 of timeline 2. */
const named = (short: string) => {
  const [timeline = '', index = ''] = short.split(':');
  return segmentAtIndex(Number(timeline), Number(index), segmentSize);
};
const entryOf = (name: string) => ({ host: name, hostaddr: '', port: 5432 });

interface ShortNode {
  readonly name: string;
  readonly role?: 'primary' | 'standby' | 'down';
  readonly systemid?: string;
  /** Timelines that were left, with where: `[[1, 5.5]]` is a timeline 2. */
  readonly left?: readonly (readonly [number, number])[];
  readonly timeline?: number;
  readonly position?: number;
  readonly kept?: readonly string[];
  readonly slot?: number | 'lost' | 'missing';
}

function nodeOf({
  name,
  role = 'standby',
  systemid = '7',
  left = [],
  timeline,
  position = 9.5,
  kept,
  slot = 1,
}: ShortNode): ObservedNode {
  const entry = entryOf(name);
  if (role === 'down') return { entry, name, kind: 'missed', reason: 'connection refused' };
  const isLost = slot === 'lost';
  const restartLsn = typeof slot === 'number' ? at(slot) : undefined;
  return {
    entry,
    name,
    kind: 'reached',
    isInRecovery: role === 'standby',
    systemid,
    timeline: timeline ?? (left.at(-1)?.[0] ?? 0) + 1,
    history: left.map(([past, position]) => ({ timeline: past, switchLsn: at(position), reason: '' })),
    written: role === 'primary' ? at(position) : undefined,
    flushed: at(position),
    replayed: role === 'standby' ? at(position) : undefined,
    segmentSize,
    version: 170_000,
    dataDirectory: '/data',
    slots:
      slot === 'missing'
        ? []
        : [{ name: 's', isActive: false, restartLsn, walStatus: isLost ? 'lost' : 'reserved', safeWalSize: undefined }],
    kept: kept === undefined ? undefined : new Set(kept.map(named)),
    upstream: undefined,
  };
}

interface Short {
  readonly nodes: readonly ShortNode[];
  /** Newest file, and how far its records go. */
  readonly held?: readonly [string, number];
  readonly isArchived?: boolean;
  readonly heldHistory?: readonly (readonly [number, number])[];
  readonly systemid?: string;
  readonly followed?: string;
  readonly seen?: readonly (readonly [string, number, number])[];
  readonly createsSlot?: boolean;
  readonly archived?: readonly string[];
  /** Nodes that are down, with files that can be read all the same. */
  readonly stopped?: Readonly<Record<string, readonly string[]>>;
  readonly isStreamed?: boolean;
  /** Whether WAL came from the followed node already. */
  readonly hasGoneOn?: boolean;
}

function planOf({ nodes, held, followed, seen = [], archived = [], createsSlot = true, ...short }: Short): FollowingPlan {
  const { isArchived = false, heldHistory, systemid = '7', stopped = {}, isStreamed = true, hasGoneOn = true } = short;
  return planFollowing({
    nodes: nodes.map(nodeOf),
    remembered: {
      streamedUntil: new Date(1000 * (hasGoneOn ? 1 : -1)),
      followed:
        followed === undefined ? undefined : { entry: entryOf(followed), name: followed, timeline: 1, since: new Date(0) },
      nodes: seen.map(([name, timeline, position]) => ({
        entry: entryOf(name),
        name,
        wasPrimary: false,
        timeline,
        position: at(position),
        dataDirectory: undefined,
        seenAt: new Date(0),
      })),
    },
    systemid,
    held:
      held === undefined
        ? undefined
        : {
            newest: { segment: named(held[0]), isPartial: !isArchived, isArchived },
            end: at(held[1]),
            history: heldHistory?.map(([past, position]) => ({ timeline: past, switchLsn: at(position), reason: '' })),
          },
    slot: { name: 's', isCreatedAlone: createsSlot },
    isStreamed,
    stopped: Object.entries(stopped).map(([name, files]) => ({
      entry: entryOf(name),
      name,
      walFolder: '/data/pg_wal',
      files: new Set(files.map(named)),
    })),
    isArchived: (segment) => archived.map(named).includes(segment),
  });
}

/** What a plan comes to, without what a case leaves open. */
function summaryOf(plan: FollowingPlan): Record<string, unknown> {
  if (plan.kind === 'wait') return { kind: 'wait' };
  if (plan.kind === 'refuse') return { kind: 'refuse', name: plan.name };
  return {
    kind: plan.kind,
    node: plan.node.name,
    from: Number(plan.from) / segmentSize,
    restart: plan.restart,
    fork: plan.fork === undefined ? undefined : [plan.fork.timeline, Number(plan.fork.at) / segmentSize, plan.fork.next],
    pastFork: Number(plan.pastFork) / segmentSize,
    slot: plan.slot,
    missing: plan.missing.map(({ segment, from }) => [segment, from?.name]),
    stale: plan.stale.map(({ name }) => name),
  };
}

const promoted = { name: 'b', role: 'primary', left: [[1, 5.5]], position: 7.5 } as const;
const old = { name: 'a', role: 'primary', position: 6.5 } as const;

test.each<{ title: string; facts: Short; gives: Record<string, unknown> }>([
  {
    title: 'a catalog that holds nothing begins at the slot of the primary',
    facts: { nodes: [{ ...old, slot: 3 }, { name: 'b' }] },
    gives: { kind: 'follow', node: 'a', from: 3, slot: 'keep', fork: undefined },
  },
  {
    title: 'without a slot it begins where the primary is, and creates one',
    facts: { nodes: [{ ...old, slot: 'missing' }] },
    gives: { kind: 'follow', node: 'a', from: 6, slot: 'create' },
  },
  {
    title: 'the stream goes on from the node that it came from',
    facts: { nodes: [old, { name: 'b' }], followed: 'a', held: ['1:6', 6.2] },
    gives: { kind: 'stay', node: 'a', from: 6, restart: undefined, slot: 'keep', pastFork: 0 },
  },
  {
    title: 'a standby that is ahead of the primary in the list is not streamed from',
    facts: { nodes: [{ name: 'b' }, old], followed: 'a', held: ['1:6', 6.2] },
    gives: { kind: 'stay', node: 'a' },
  },
  {
    title: 'a promoted standby is followed in the segment of the fork, whose new file is begun',
    facts: { nodes: [{ name: 'a', role: 'down' }, promoted], followed: 'a', held: ['1:5', 5.4] },
    gives: { kind: 'follow', node: 'b', from: 5, restart: named('2:5'), fork: [1, 5.5, 2], pastFork: 0, missing: [] },
  },
  {
    title: 'it is followed from the segment that we have begun, when the fork lies in a later one',
    facts: { nodes: [{ name: 'a', role: 'down' }, promoted], followed: 'a', held: ['1:4', 4.4] },
    gives: { kind: 'follow', node: 'b', from: 4, restart: undefined, fork: [1, 5.5, 2], pastFork: 0, missing: [] },
  },
  {
    title: 'it creates its slot there, whatever create_slot says: the first one was made by hand',
    facts: {
      nodes: [
        { name: 'a', role: 'down' },
        { ...promoted, slot: 'missing' },
      ],
      followed: 'a',
      held: ['1:5', 5.4],
      createsSlot: false,
    },
    gives: { kind: 'follow', node: 'b', slot: 'create' },
  },
  {
    title: 'a slot that was given up there is made anew',
    facts: { nodes: [{ ...promoted, slot: 'lost' }], followed: 'a', held: ['1:5', 5.4] },
    gives: { kind: 'follow', node: 'b', slot: 'recreate' },
  },
  {
    title: 'records past the fork in the segment of the fork are told',
    facts: { nodes: [promoted], followed: 'a', held: ['1:5', 5.75] },
    gives: { kind: 'follow', node: 'b', from: 5, restart: named('2:5'), pastFork: 0.25 },
  },
  {
    title: 'whole segments past the fork stay those of the old timeline: the stream begins at the fork',
    facts: { nodes: [promoted], followed: 'a', held: ['1:7', 7.25] },
    gives: { kind: 'follow', node: 'b', from: 5, restart: named('2:5'), fork: [1, 5.5, 2], pastFork: 1.75 },
  },
  {
    title: 'two promotions one after another lead over both timelines',
    facts: {
      nodes: [
        {
          name: 'c',
          role: 'primary',
          left: [
            [1, 5.5],
            [2, 6.5],
          ],
        },
      ],
      followed: 'a',
      held: ['1:4', 4.5],
    },
    gives: { kind: 'follow', node: 'c', from: 4, fork: [1, 5.5, 2], pastFork: 0 },
  },
  {
    title: 'an old primary that still runs is left when the new one has its timeline',
    facts: { nodes: [old, promoted], followed: 'a', held: ['1:5', 5.25] },
    gives: { kind: 'follow', node: 'b', stale: ['a'] },
  },
  {
    title: 'an empty folder begins behind the newest archived segment, not where the slot or the server is',
    facts: { nodes: [{ ...old, slot: 6 }], followed: 'a', held: ['1:3', 4], isArchived: true },
    gives: { kind: 'stay', from: 4, restart: named('1:4') },
  },
  {
    title: 'where a timeline ends on a boundary, the file of the next one is begun',
    facts: {
      nodes: [{ ...promoted, left: [[1, 5]] }],
      followed: 'a',
      held: ['1:4', 5],
      isArchived: true,
    },
    gives: { kind: 'follow', from: 5, restart: named('2:5'), pastFork: 0 },
  },
  {
    title: 'WAL that the new primary has recycled is taken from a node that still has it',
    facts: {
      nodes: [
        { ...promoted, kept: ['2:6', '2:7'], slot: 'missing' },
        { name: 'c', left: [[1, 5.5]], position: 7.2, kept: ['1:4', '2:5', '2:6'] },
      ],
      followed: 'a',
      held: ['1:4', 4.5],
    },
    gives: {
      kind: 'follow',
      node: 'b',
      from: 6,
      restart: named('2:6'),
      missing: [
        [named('1:4'), 'c'],
        [named('2:5'), 'c'],
      ],
    },
  },
  {
    title: 'WAL that no node has is named, and the stream begins after it',
    facts: {
      nodes: [
        { ...promoted, kept: ['2:7'] },
        { name: 'c', left: [[1, 5.5]], kept: ['2:6'] },
      ],
      followed: 'a',
      held: ['1:5', 5.25],
    },
    gives: {
      kind: 'follow',
      from: 7,
      restart: named('2:7'),
      missing: [
        [named('2:5'), undefined],
        [named('2:6'), 'c'],
      ],
    },
  },
  {
    title: 'a segment that a standby has not received to its end is not taken from it',
    facts: {
      nodes: [
        { ...promoted, kept: ['2:7'] },
        { name: 'c', left: [[1, 5.5]], position: 6.5, kept: ['2:5', '2:6'] },
      ],
      followed: 'a',
      held: ['1:5', 5.25],
    },
    gives: {
      missing: [
        [named('2:5'), 'c'],
        [named('2:6'), undefined],
      ],
    },
  },
  {
    title: 'WAL that no running node has is read from the files of one that is down',
    facts: {
      nodes: [
        { name: 'a', role: 'down' },
        { ...promoted, kept: ['2:6', '2:7'] },
      ],
      followed: 'a',
      held: ['1:3', 3.5],
      stopped: { a: ['1:3', '1:4'] },
    },
    gives: {
      kind: 'follow',
      missing: [
        [named('1:3'), 'a'],
        [named('1:4'), 'a'],
        [named('2:5'), undefined],
      ],
    },
  },
  {
    title: 'files of a node that is down let the receiver stay with its primary, too',
    facts: {
      nodes: [
        { ...old, kept: ['1:6'] },
        { name: 'c', role: 'down' },
      ],
      followed: 'a',
      held: ['1:5', 5.5],
      stopped: { c: ['1:5'] },
    },
    gives: { kind: 'stay', missing: [[named('1:5'), 'c']] },
  },
  {
    title: 'where WAL is not streamed a gap is no reason to leave the primary',
    facts: { nodes: [{ ...old, kept: ['1:6'] }], followed: 'a', held: ['1:3', 3.5], isStreamed: false },
    gives: { kind: 'stay', node: 'a' },
  },
  {
    title: 'WAL that a new primary removes before the stream has begun is a hole, too',
    facts: { nodes: [{ ...old, slot: 6, kept: ['1:6'] }], held: ['1:5', 5], followed: 'a', hasGoneOn: false },
    gives: { kind: 'stay', from: 6, restart: named('1:6'), missing: [[named('1:5'), undefined]] },
  },
  {
    title: 'WAL that archive_command has brought meanwhile is not missing',
    facts: {
      nodes: [{ ...promoted, kept: ['2:6', '2:7'] }],
      followed: 'a',
      held: ['1:5', 5.25],
      archived: ['2:5'],
    },
    gives: { kind: 'follow', from: 6, restart: named('2:6'), missing: [] },
  },
  { title: 'no node answers', facts: { nodes: [{ name: 'a', role: 'down' }] }, gives: { kind: 'wait' } },
  { title: 'there are no nodes', facts: { nodes: [] }, gives: { kind: 'wait' } },
  {
    title: 'all that answer are in recovery',
    facts: { nodes: [{ name: 'a', role: 'down' }, { name: 'b' }], held: ['1:6', 6.5] },
    gives: { kind: 'refuse', name: 'no-primary' },
  },
  {
    title: 'another cluster runs at the address',
    facts: { nodes: [{ ...old, systemid: '8' }], held: ['1:6', 6.5] },
    gives: { kind: 'refuse', name: 'other-cluster' },
  },
  {
    title: 'a node of another cluster stands in nobody’s way',
    facts: { nodes: [{ ...old, systemid: '8' }, promoted], held: ['1:5', 5.25], followed: 'a' },
    gives: { kind: 'follow', node: 'b', stale: [] },
  },
  {
    title: 'two primaries on one timeline',
    facts: { nodes: [old, { ...old, name: 'b' }], held: ['1:6', 6.5] },
    gives: { kind: 'refuse', name: 'split-brain' },
  },
  {
    title: 'two standbys were promoted apart',
    facts: {
      nodes: [promoted, { name: 'c', role: 'primary', left: [[1, 5.25]], timeline: 3 }],
      held: ['1:5', 5.1],
    },
    gives: { kind: 'refuse', name: 'split-brain' },
  },
  {
    title: 'a primary that was left behind, while the one that was promoted is down',
    facts: { nodes: [old, { name: 'b', role: 'down' }], held: ['2:7', 7.5], heldHistory: [[1, 5.5]] },
    gives: { kind: 'refuse', name: 'not-descendant' },
  },
  {
    title: 'a primary that never had the timeline that we hold',
    facts: {
      nodes: [{ name: 'c', role: 'primary', left: [[1, 5.25]], timeline: 3 }],
      held: ['2:7', 7.5],
      heldHistory: [[1, 5.5]],
    },
    gives: { kind: 'refuse', name: 'not-descendant' },
  },
  {
    title: 'a timeline of the same number that begins elsewhere',
    facts: { nodes: [{ ...promoted, left: [[1, 5.25]] }], held: ['2:7', 7.5], heldHistory: [[1, 5.5]] },
    gives: { kind: 'refuse', name: 'not-descendant' },
  },
  {
    title: 'a server that was set back by a recovery in place, which had been further',
    facts: { nodes: [{ ...promoted, name: 'a' }], held: ['1:8', 8.5], followed: 'a', seen: [['a', 1, 8.25]] },
    gives: { kind: 'refuse', name: 'past-fork' },
  },
  {
    title: 'a standby that was behind when it was promoted lost WAL, and was not set back',
    facts: { nodes: [promoted], held: ['1:8', 8.5], followed: 'a', seen: [['b', 1, 5.25]] },
    gives: { kind: 'follow', node: 'b', pastFork: 3 },
  },
  {
    title: 'less WAL than we hold of the same timeline',
    facts: { nodes: [{ ...old, position: 3.5 }], held: ['1:6', 6.5] },
    gives: { kind: 'refuse', name: 'ahead' },
  },
  {
    title: 'the slot of the node that we stream from is gone',
    facts: { nodes: [{ ...old, slot: 'missing' }], held: ['1:6', 6.1], followed: 'a', createsSlot: false },
    gives: { kind: 'refuse', name: 'slot-missing' },
  },
  {
    title: 'with create_slot = auto it is created again',
    facts: { nodes: [{ ...old, slot: 'missing' }], held: ['1:6', 6.1], followed: 'a' },
    gives: { kind: 'stay', slot: 'create' },
  },
  {
    title: 'the slot of the node that we stream from was given up',
    facts: { nodes: [{ ...old, slot: 'lost' }], held: ['1:6', 6.1], followed: 'a' },
    gives: { kind: 'refuse', name: 'slot-lost' },
  },
  {
    title: 'the slot is newer than what we hold, and nobody has the WAL in between',
    facts: { nodes: [{ ...old, slot: 6, kept: ['1:6'] }], held: ['1:3', 3.5], followed: 'a' },
    gives: { kind: 'refuse', name: 'wal-gone' },
  },
  {
    title: 'the slot is newer than what we hold, and a standby has the WAL in between',
    facts: {
      nodes: [
        { ...old, slot: 6, kept: ['1:6'] },
        { name: 'b', kept: ['1:3', '1:4', '1:5'] },
      ],
      held: ['1:3', 3.5],
      followed: 'a',
    },
    gives: {
      kind: 'stay',
      from: 6,
      restart: named('1:6'),
      missing: [
        [named('1:3'), 'b'],
        [named('1:4'), 'b'],
        [named('1:5'), 'b'],
      ],
    },
  },
])('$title: $gives.kind $gives.name', ({ facts, gives }) => {
  expect(summaryOf(planOf(facts))).toMatchObject(gives);
});

test('every refusal says what is wrong and what to do', () => {
  const refused: readonly Short[] = [
    { nodes: [{ name: 'b' }] },
    { nodes: [{ ...old, systemid: '8' }] },
    { nodes: [old, { ...old, name: 'b' }] },
    { nodes: [old], held: ['2:7', 7.5] },
    { nodes: [{ ...old, position: 3.5 }], held: ['1:6', 6.5] },
  ];
  for (const facts of refused) {
    const plan = planOf(facts);
    expect(plan.kind === 'refuse' && plan.reason.length > 20 && plan.remedy.length > 20, JSON.stringify(facts.nodes)).toBe(
      true,
    );
  }
});
