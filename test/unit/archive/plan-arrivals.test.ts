import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Arrival, planArrivals } from '../../../src/archive/archive-arrivals.ts';
import type { ArrivalChannel } from '../../../src/catalog/server-layout.ts';
import { walOf } from '../catalog/a-backup.ts';

/** `1:2` and whole names are files; a name that ends with a slash is a folder. */
function arrivals(...texts: readonly string[]): Arrival[] {
  return texts.map((text) =>
    text.endsWith('/')
      ? { name: text.slice(0, -1), isFile: false }
      : { name: /^\d:/.test(text) ? walOf(text) : text, isFile: true },
  );
}

interface Sketch {
  readonly title: string;
  readonly channel: ArrivalChannel;
  readonly found: readonly string[];
  readonly batchSize?: number;
  readonly unfinished?: readonly string[];
  readonly archive: readonly string[];
  readonly unknown?: readonly string[];
  readonly leftCount?: number;
}

test.each<Sketch>([
  { title: 'files are archived in the order of their names', channel: 'file', found: ['1:3', '1:2'], archive: ['1:2', '1:3'] },
  {
    title: 'nothing is held back of what was sent',
    channel: 'file',
    found: ['1:2.partial', '1:3'],
    archive: ['1:2.partial', '1:3'],
  },
  {
    title: 'labels and histories are archived',
    channel: 'file',
    found: ['00000002.history', '1:2.00000028.backup'],
    archive: ['1:2.00000028.backup', '00000002.history'],
  },
  {
    title: 'names with a dot before or .tmp behind are somebody’s work in progress',
    channel: 'file',
    found: ['.12-000000010000000000000002', '000000010000000000000003.tmp', 'x.tmp', '.hidden', '.dir/', '1:4'],
    archive: ['1:4'],
  },
  {
    title: 'folders and other files are unknown',
    channel: 'file',
    found: ['notes.txt', '000000010000000000000009/', '000000010000000000000002.gz', '1:4'],
    archive: ['1:4'],
    unknown: ['000000010000000000000002.gz', '000000010000000000000009', 'notes.txt'],
  },
  {
    title: 'a name in lower case, which PostgreSQL never writes, is unknown',
    channel: 'file',
    found: ['00000001000000000000000a'],
    archive: [],
    unknown: ['00000001000000000000000a'],
  },
  {
    title: 'a batch leaves the rest for later',
    channel: 'file',
    found: ['1:2', '1:3', '1:4'],
    batchSize: 2,
    archive: ['1:2', '1:3'],
    leftCount: 1,
  },
  {
    title: 'a batch of one makes progress past files that are not archived',
    channel: 'file',
    found: ['000000010000000000000001.tmp', '0-notes', '1:2', '1:3'],
    batchSize: 1,
    archive: ['1:2'],
    unknown: ['0-notes'],
    leftCount: 1,
  },
  {
    title: 'the partial segment that is being written is held back',
    channel: 'streaming',
    found: ['1:2', '1:3', '1:4.partial'],
    archive: ['1:2', '1:3'],
  },
  {
    title: 'an older partial segment is archived',
    channel: 'streaming',
    found: ['1:3.partial', '1:4', '2:5.partial'],
    archive: ['1:3.partial', '1:4'],
  },
  {
    title: 'without a partial segment the newest segment is held back',
    channel: 'streaming',
    found: ['1:2', '1:3', '00000002.history'],
    archive: ['1:2', '00000002.history'],
  },
  { title: 'the only segment is held back', channel: 'streaming', found: ['1:2'], archive: [] },
  {
    title: 'a batch of one makes progress in the streaming folder too',
    channel: 'streaming',
    found: ['1:2', '1:3', '1:4.partial'],
    batchSize: 1,
    archive: ['1:2'],
    leftCount: 1,
  },
  {
    title: 'a folder is unknown in the streaming folder too',
    channel: 'streaming',
    found: ['000000010000000000000002/', '1:3.partial'],
    archive: [],
    unknown: ['000000010000000000000002'],
  },
  { title: 'an empty folder gives nothing to do', channel: 'streaming', found: [], archive: [] },
  {
    title: 'a file that is still being copied waits, and a batch continues after it',
    channel: 'file',
    found: ['1:2', '1:3', '1:4', '1:5'],
    batchSize: 1,
    unfinished: ['1:2'],
    archive: ['1:3'],
    leftCount: 2,
  },
])('$title', ({ channel, found, batchSize = 0, unfinished = [], archive, unknown = [], leftCount = 0 }) => {
  const isUnfinished = (name: string): boolean => unfinished.map(walOf).some((half) => half === name);
  const plan = planArrivals(arrivals(...found), { channel, batchSize, isUnfinished });
  expect(plan).toEqual({ ...plan, archive: archive.map(walOf), unfinished: unfinished.map(walOf), unknown });
  expect(plan.later).toHaveLength(leftCount);
});

test('every visible file is archived, unknown, left or the one that is held back', () => {
  const names = fc.constantFrom('1:2', '1:3', '1:4', '1:4.partial', '2:5.partial', '00000002.history', 'x', '.x', 'x.tmp');
  const channels = fc.constantFrom<ArrivalChannel>('file', 'streaming');
  fc.assert(
    fc.property(fc.uniqueArray(names), channels, fc.nat({ max: 4 }), (found, channel, batchSize) => {
      const plan = planArrivals(arrivals(...found), { channel, batchSize, isUnfinished: (name) => name.endsWith('4') });
      const visible = found.filter((name) => !['.x', 'x.tmp'].includes(name)).length;
      const placed = plan.archive.length + plan.unfinished.length + plan.unknown.length + plan.later.length;
      expect(visible - placed).toBeLessThanOrEqual(channel === 'streaming' ? 1 : 0);
      expect(visible - placed).toBeGreaterThanOrEqual(0);
      if (plan.later.length > 0) expect(plan.archive).toHaveLength(batchSize);
    }),
  );
});
