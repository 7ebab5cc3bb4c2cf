import { expect, test } from 'vitest';
import { judgeWals, readWalFacts, type WalVerdict } from '../../../src/backup/judge-wals.ts';
import type { Backup } from '../../../src/catalog/backups/backup.ts';
import { aBackup, segmentOf, walOf } from '../catalog/a-backup.ts';
import { aCatalog } from '../catalog/a-catalog.ts';

interface Sketch {
  readonly title: string;
  readonly backup?: Backup;
  readonly archived?: readonly string[];
  readonly incoming?: readonly string[];
  readonly streaming?: readonly string[];
  readonly verdict: WalVerdict;
}

const fromTwoToFour = aBackup({ begin: '1:2', end: '1:4' });

test.each<Sketch>([
  { title: 'with all its segments archived it is complete', archived: ['1:2', '1:3', '1:4'], verdict: { kind: 'complete' } },
  { title: 'without an archive it waits for the first', verdict: { kind: 'waiting', for: segmentOf('1:2') } },
  {
    title: 'it waits for the first that is missing',
    archived: ['1:1', '1:2'],
    verdict: { kind: 'waiting', for: segmentOf('1:3') },
  },
  {
    title: 'a segment below the last archived one is lost when nobody has it',
    archived: ['1:2', '1:4'],
    verdict: { kind: 'lost', missing: segmentOf('1:3') },
  },
  {
    title: 'so is one when only segments after the end are archived',
    archived: ['1:9'],
    verdict: { kind: 'lost', missing: segmentOf('1:2') },
  },
  {
    title: 'a gap whose segment lies in the incoming folder may close by itself',
    archived: ['1:2', '1:4'],
    incoming: ['1:3'],
    verdict: { kind: 'waiting', for: segmentOf('1:3') },
  },
  {
    title: 'so may one whose segment lies in the streaming folder',
    archived: ['1:2', '1:4'],
    streaming: ['1:3'],
    verdict: { kind: 'waiting', for: segmentOf('1:3') },
  },
  {
    title: 'segments of a later timeline lose nothing',
    archived: ['1:2', '2:4'],
    verdict: { kind: 'waiting', for: segmentOf('1:3') },
  },
  {
    title: 'a partial segment or a label is no segment',
    archived: ['1:2', '1:3.partial', '1:4.00000028.backup'],
    verdict: { kind: 'waiting', for: segmentOf('1:3') },
  },
  {
    title: 'without an end nothing can be said',
    backup: { ...fromTwoToFour, endWal: null },
    archived: ['1:2', '1:9'],
    verdict: { kind: 'waiting', for: undefined },
  },
  {
    title: 'begin and end on two timelines are told',
    backup: aBackup({ begin: '1:2', end: '2:4' }),
    archived: ['1:2', '2:4'],
    verdict: { kind: 'two-timelines', begin: 1, end: 2 },
  },
])('$title', async ({ backup = fromTwoToFour, archived = [], incoming = [], streaming = [], verdict }) => {
  await using catalog = await aCatalog(
    Object.fromEntries([
      ...archived.map((short) => [`wals/${walOf(short).slice(0, 16)}/${walOf(short)}`, '']),
      ...incoming.map((short) => [`incoming/${walOf(short)}`, '']),
      ...streaming.map((short) => [`streaming/${walOf(short)}`, '']),
    ]) as Record<string, string>, // pairs of a path and no text
  );
  expect(await judgeWals(backup, await readWalFacts(catalog.layout, backup))).toEqual(verdict);
});

test('a backup may reach over two log files', async () => {
  const [begin, end] = ['0000000100000000000000FF', '000000010000000100000000'].map((name) => segmentOf(name));
  const backup = { ...aBackup(), beginWal: begin!, endWal: end! };
  await using catalog = await aCatalog({ [`wals/0000000100000000/${begin!}`]: '', [`wals/0000000100000001/${end!}`]: '' });
  expect(await judgeWals(backup, await readWalFacts(catalog.layout, backup))).toEqual({ kind: 'complete' });
});

test('with segments of 1 MiB a log file has 4096 of them', async () => {
  const [begin, end] = ['000000010000000000000FFF', '000000010000000100000000'].map((name) => segmentOf(name));
  const backup = { ...aBackup(), beginWal: begin!, endWal: end!, xlogSegmentSize: 1024 * 1024 };
  await using catalog = await aCatalog({ [`wals/0000000100000000/${begin!}`]: '', [`wals/0000000100000001/${end!}`]: '' });
  expect(await judgeWals(backup, await readWalFacts(catalog.layout, backup))).toEqual({ kind: 'complete' });
});
