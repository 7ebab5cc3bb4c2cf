import { expect, test } from 'vitest';
import { slotStep } from '../../../src/cluster/tidy-slots.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';

const segmentSize = 1024;
const at = (bytes: number) => lsnFromBytes(BigInt(bytes));

interface Short {
  readonly wanted?: 'primary' | 'all';
  readonly slot?: { readonly isActive?: boolean; readonly at?: number; readonly status?: string };
  readonly wasStreamedFrom?: boolean;
}

test.each<{ title: string; facts: Short; gives: unknown }>([
  { title: 'a slot that was never ours stays', facts: { slot: {} }, gives: undefined },
  {
    title: 'the slot of a node that was streamed from is dropped',
    facts: { slot: {}, wasStreamedFrom: true },
    gives: { kind: 'drop' },
  },
  {
    title: 'unless somebody streams from it',
    facts: { slot: { isActive: true }, wasStreamedFrom: true },
    gives: undefined,
  },
  { title: 'where there is none nothing is dropped', facts: { wasStreamedFrom: true }, gives: undefined },
  { title: 'with all, a standby gets one', facts: { wanted: 'all' }, gives: { kind: 'create' } },
  { title: 'one that lost WAL is made anew', facts: { wanted: 'all', slot: { status: 'lost' } }, gives: { kind: 'remake' } },
  {
    title: 'one that is a segment behind moves along',
    facts: { wanted: 'all', slot: { at: 4000 } },
    gives: { kind: 'advance', to: at(6000) },
  },
  { title: 'one that is near stays where it is', facts: { wanted: 'all', slot: { at: 5500 } }, gives: undefined },
])('$title', ({ facts: { wanted = 'primary', slot, wasStreamedFrom = false }, gives }) => {
  const slots =
    slot === undefined
      ? []
      : [
          {
            name: 's',
            isActive: slot.isActive ?? false,
            restartLsn: at(slot.at ?? 0),
            walStatus: slot.status ?? 'reserved',
            safeWalSize: undefined,
          },
        ];
  expect(slotStep({ slots, segmentSize }, { name: 's', wanted, position: at(6000), wasStreamedFrom })).toEqual(gives);
});
