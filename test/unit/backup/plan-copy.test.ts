import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { safeHorizon } from '../../../src/backup/copy-items-of-server.ts';
import { FileSelection, FileTable, type SourceFile } from '../../../src/backup/file-table.ts';
import { dealFiles, fateOf } from '../../../src/backup/plan-copy.ts';
import { parseTimestamp } from '../../../src/shared/timestamp.ts';
import { aBackup } from '../catalog/a-backup.ts';

const second = 1_000_000_000n;
const file = { path: 'base/1/2', size: 8192, mode: 0o600, modifiedNs: 100n * second + 5n, isSparse: false };

describe('a file', () => {
  test.each([
    { title: 'that the backup before does not have is sent', reference: undefined, horizon: 200, list: 'sent' },
    { title: 'with the same facts, from before the horizon, is reused', reference: {}, horizon: 101, list: 'reused' },
    { title: 'changed in the second of the horizon is compared', reference: {}, horizon: 100, list: 'compared' },
    { title: 'changed after the horizon is compared', reference: {}, horizon: 50, list: 'compared' },
    { title: 'is compared when no horizon is known', reference: {}, horizon: undefined, list: 'compared' },
    { title: 'of another size is sent', reference: { size: 1 }, horizon: 200, list: 'sent' },
    { title: 'of another mode is sent', reference: { mode: 0o640 }, horizon: 200, list: 'sent' },
    {
      title: 'changed within the same second is sent',
      reference: { modifiedNs: 100n * second + 6n },
      horizon: 200,
      list: 'sent',
    },
    {
      title: 'whose copy has no fraction of its second is reused',
      reference: { modifiedNs: 100n * second },
      horizon: 200,
      list: 'reused',
    },
  ] as const)('$title', ({ reference, horizon, list }) => {
    const before = reference === undefined ? undefined : { ...file, ...reference };
    expect(fateOf(file, { reference: before, horizonSeconds: horizon })).toBe(list);
  });
});

function selectionOf(files: readonly SourceFile[]): FileSelection {
  const table = new FileTable();
  for (const one of files) table.add(one);
  const selection = new FileSelection(table);
  for (const index of files.keys()) selection.add(index);
  return selection;
}

test('a table of files gives back what was put into it, across its chunks', () => {
  const files = Array.from({ length: 10_000 }, (_, index) => ({
    path: `base/ä ${String(index)}`,
    size: index * 1e9,
    mode: index % 0o10000,
    modifiedNs: BigInt(index) * 1_700_000_000_123n,
    isSparse: index % 3 === 0,
  }));
  const selection = selectionOf(files);
  expect([...selection]).toEqual(files);
  expect(selection.bytes).toBe(files.reduce((sum, { size }) => sum + size, 0));
  expect([...selection.which(({ isSparse }) => isSparse)]).toEqual(files.filter(({ isSparse }) => isSparse));
});

test('dealing gives every file to exactly one run, none of them empty, and no run twice what another has', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 8 }), (all, jobs) => {
      const files = all.map((size, index) => ({ ...file, path: String(index), size }));
      const dealt = dealFiles(selectionOf(files), jobs).map((selection) => [...selection]);
      expect(
        dealt
          .flat()
          .map(({ path }) => path)
          .toSorted(),
      ).toEqual(files.map(({ path }) => path).toSorted());
      for (const bucket of dealt) expect(bucket.length).toBeGreaterThan(0);
      const loads = dealt.map((bucket) => bucket.reduce((sum, { size }) => sum + size + 4096, 0));
      const largest = Math.max(0, ...files.map(({ size }) => size + 4096));
      expect(Math.max(0, ...loads) - Math.min(...loads, Number.MAX_SAFE_INTEGER)).toBeLessThanOrEqual(largest);
    }),
  );
});

describe('the safe horizon', () => {
  const times = {
    beginTime: parseTimestamp('2026-11-26 10:00:00.5+00') ?? null,
    endTime: parseTimestamp('2026-11-26 10:10:00+00') ?? null,
  };
  const at = (text: string): number => Date.parse(text) / 1000;
  test.each([
    { title: 'is the time in the label', label: '2026-11-26 10:05:00 UTC', horizon: '2026-11-26T10:05:00Z' },
    { title: 'is the begin when the zone is not known', label: '2026-11-26 10:05:00 CET', horizon: '2026-11-26T10:00:00Z' },
    {
      title: 'is the begin when the label lies outside of the backup',
      label: '2026-11-26 11:05:00 UTC',
      horizon: '2026-11-26T10:00:00Z',
    },
    { title: 'is the begin when there is no label', label: undefined, horizon: '2026-11-26T10:00:00Z' },
  ])('$title', ({ label, horizon }) => {
    const backupLabel = label === undefined ? null : `START WAL LOCATION: 0/2\nSTART TIME: ${label}\nLABEL: x\n`;
    expect(safeHorizon(aBackup({ ...times, backupLabel }))).toBe(at(horizon));
  });
});
