import { expect, test } from 'vitest';
import type { ReachedNode } from '../../../src/cluster/cluster-node.ts';
import { type RememberedCluster, withObserved } from '../../../src/cluster/remembered-cluster.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';

const entry = { host: 'a', hostaddr: '', port: 5432 };
const at = (bytes: number) => lsnFromBytes(BigInt(bytes));
const nothing: RememberedCluster = {
  nodes: [],
  followed: undefined,
  streamedUntil: undefined,
  left: [],
  segmentSize: undefined,
  urls: [],
};

interface Short {
  readonly timeline?: number;
  readonly flushed: number;
  readonly replayed?: number;
}

function seen({ timeline = 1, flushed, replayed }: Short): ReachedNode {
  return {
    entry,
    name: 'a',
    kind: 'reached',
    isInRecovery: replayed !== undefined,
    systemid: '7',
    timeline,
    history: [],
    written: undefined,
    flushed: at(flushed),
    replayed: replayed === undefined ? undefined : at(replayed),
    segmentSize: 1024,
    version: 170_000,
    slots: [],
    dataDirectory: undefined,
    kept: undefined,
    upstream: undefined,
  };
}

test.each<{ title: string; looks: readonly Short[]; position: number }>([
  { title: 'the position of a primary is remembered', looks: [{ flushed: 50 }, { flushed: 80 }], position: 80 },
  { title: 'one that is set back is remembered as far as it was', looks: [{ flushed: 80 }, { flushed: 50 }], position: 80 },
  {
    title: 'also while it recovers',
    looks: [{ flushed: 80 }, { flushed: 40, replayed: 40 }],
    position: 80,
  },
  { title: 'a new timeline begins anew', looks: [{ flushed: 80 }, { timeline: 2, flushed: 50 }], position: 50 },
  {
    title: 'of a standby what is replayed counts, as the rest may end within a record',
    looks: [{ flushed: 80, replayed: 72 }],
    position: 72,
  },
])('$title', ({ looks, position }) => {
  const after = looks.reduce((before, look) => withObserved(before, [seen(look)], new Date(0)), nothing);
  expect(after.nodes[0]?.position).toBe(at(position));
});
