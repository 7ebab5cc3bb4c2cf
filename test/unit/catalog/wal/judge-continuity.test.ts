import { describe, expect, test } from 'vitest';
import type { Backup } from '../../../../src/catalog/backups/backup.ts';
import { WalRuns } from '../../../../src/catalog/index/wal-runs.ts';
import { judgeContinuity } from '../../../../src/catalog/wal/judge-continuity.ts';
import type { ArchivedHistories } from '../../../../src/catalog/wal/wal-paths.ts';
import { lsnFromBytes } from '../../../../src/wal/lsn.ts';
import { defaultSegmentSize, segmentsBetween } from '../../../../src/wal/wal-name.ts';
import { aBackup, idOf, segmentOf } from '../a-backup.ts';

interface Sketch {
  readonly backups: readonly Backup[];
  /** `1:2-5 1:7`; the time of a segment is 100 times its timeline, and its number. */
  readonly wal: string;
  readonly waiting?: string;
  /** Parents of a timeline with the segments in which they were left. */
  readonly histories?: Readonly<Record<number, readonly (readonly [number, number])[]>>;
  readonly standalone?: readonly number[];
  readonly doneHasWal?: boolean;
}

function runsOf(text: string, into = new WalRuns(defaultSegmentSize)): WalRuns {
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const [, timeline = '', first = '', last = first] = /^(\w+):(\w+)(?:-(\w+))?$/.exec(word) ?? [];
    const bounds = [segmentOf(`${timeline}:${first}`), segmentOf(`${timeline}:${last}`)] as const;
    for (const name of segmentsBetween(...bounds, defaultSegmentSize)) {
      into.add(name, 100 * Number(timeline) + Number.parseInt(name.slice(16), 16));
    }
  }
  return into;
}

/** In the middle of a segment. */
function lsnIn(segment: number) {
  return lsnFromBytes((BigInt(segment) * 2n + 1n) * BigInt(defaultSegmentSize / 2));
}

function judge({ backups, wal, waiting = '', histories = {}, standalone = [], doneHasWal = true }: Sketch) {
  const archived = runsOf(wal);
  const switches: ArchivedHistories = new Map(
    Object.entries(histories).map(([timeline, left]) => [
      Number(timeline),
      left.map(([parent, segment]) => ({ timeline: parent, switchLsn: lsnIn(segment), reason: '' })),
    ]),
  );
  const { windows, holes } = judgeContinuity({
    backups,
    standalone: new Set(standalone.map(idOf)),
    archived,
    present: runsOf(waiting, archived.copy()),
    histories: switches,
    doneHasWal,
  });
  const short = (name: string): string =>
    `${String(Number.parseInt(name.slice(0, 8), 16))}:${Number.parseInt(name.slice(16), 16).toString(16)}`;
  const days = (ids: readonly string[]): string => ids.map((id) => String(Number(id.slice(6, 8)))).join();
  return {
    holes: holes.map(
      ({ first, last, count, cutOff, unusable }) =>
        `${short(first)}-${short(last)} (${String(count)}) cuts off ${days(cutOff)}; destroys ${days(unusable)}`,
    ),
    windows: windows.map(
      ({ timeline, from, to }) =>
        `${String(timeline)}: day ${days([from.backupId])} to ${short(to.segment)}@${String(to.time ?? 'unknown')}`,
    ),
  };
}

const early = aBackup({ day: 2, begin: '1:2', end: '1:3' });
const late = aBackup({ day: 5, begin: '1:8' });
const onTwo = aBackup({ day: 7, begin: '2:9' });

describe('one timeline', () => {
  test.each([
    { title: 'no hole', backups: [early], wal: '1:1-9', holes: [], windows: ['1: day 2 to 1:9@109'] },
    {
      title: 'WAL that was removed before the oldest backup is not a hole',
      backups: [early],
      wal: '1:0 1:2-9',
      holes: [],
      windows: ['1: day 2 to 1:9@109'],
    },
    {
      title: 'a backup before the hole can be recovered up to it',
      backups: [early],
      wal: '1:2-4 1:7-9',
      holes: ['1:5-1:6 (2) cuts off 2; destroys '],
      windows: ['1: day 2 to 1:4@104'],
    },
    {
      title: 'a backup behind the hole reaches the newest WAL',
      backups: [early, late],
      wal: '1:2-4 1:7-9',
      holes: ['1:5-1:6 (2) cuts off 2; destroys '],
      windows: ['1: day 2 to 1:9@109'],
    },
    {
      title: 'two holes are two, each with the backups before it',
      backups: [early, late],
      wal: '1:2-4 1:6-8 1:a-b',
      holes: ['1:5-1:5 (1) cuts off 2; destroys ', '1:9-1:9 (1) cuts off 2,5; destroys '],
      windows: ['1: day 2 to 1:8@108'],
    },
    {
      title: 'a hole in what makes a backup consistent takes the backup',
      backups: [early, late],
      wal: '1:2 1:4-9',
      holes: ['1:3-1:3 (1) cuts off ; destroys 2'],
      windows: ['1: day 5 to 1:9@109'],
    },
    {
      title: 'a hole begins where the oldest backup does',
      backups: [early],
      wal: '1:0 1:5-9',
      holes: ['1:2-1:4 (3) cuts off ; destroys 2'],
      windows: [],
    },
    {
      title: 'an archive without the last WAL of a backup that is done',
      backups: [early, late],
      wal: '1:2-6',
      holes: ['1:7-1:8 (2) cuts off 2; destroys 5'],
      windows: ['1: day 2 to 1:6@106'],
    },
    {
      title: 'a backup that waits for its WAL lacks nothing that may come yet',
      backups: [early, { ...late, status: 'WAITING_FOR_WALS' as const }],
      wal: '1:2-6',
      holes: [],
      windows: ['1: day 2 to 1:6@106'],
    },
    {
      title: 'nor does one of a passive server',
      backups: [early, late],
      wal: '1:2-6',
      doneHasWal: false,
      holes: [],
      windows: ['1: day 2 to 1:6@106'],
    },
    {
      title: 'backups that failed, or of another segment size, count nothing',
      backups: [{ ...early, status: 'FAILED' as const }, { ...early, xlogSegmentSize: 1 << 20 }, late],
      wal: '1:2-4 1:7-9',
      holes: [],
      windows: ['1: day 5 to 1:9@109'],
    },
    {
      title: 'a segment that waits closes its hole',
      backups: [early],
      wal: '1:2-4 1:7-9',
      waiting: '1:5 1:6',
      holes: [],
      windows: ['1: day 2 to 1:9@109'],
    },
    {
      title: 'one that waits makes a hole smaller, and the newest one that waits makes none',
      backups: [early],
      wal: '1:2-4 1:7-9',
      waiting: '1:5 1:c',
      holes: ['1:6-1:6 (1) cuts off 2; destroys '],
      windows: ['1: day 2 to 1:5@105'],
    },
    {
      title: 'WAL after a backup that is kept standalone was removed on purpose',
      backups: [early, late],
      wal: '1:2-3 1:8-9',
      standalone: [2],
      holes: [],
      windows: ['1: day 5 to 1:9@109'],
    },
    {
      title: 'its own WAL was not',
      backups: [early, late],
      wal: '1:2 1:8-9',
      standalone: [2],
      holes: ['1:3-1:7 (5) cuts off ; destroys 2'],
      windows: ['1: day 5 to 1:9@109'],
    },
    {
      title: 'where nothing else is left, what is kept alone is what can be recovered',
      backups: [early],
      wal: '1:2-3 1:8-9',
      standalone: [2],
      holes: [],
      windows: ['1: day 2 to 1:3@103'],
    },
    { title: 'no backup, no hole', backups: [], wal: '1:2 1:4', holes: [], windows: [] },
  ])('$title', ({ holes, windows, ...sketch }) => {
    expect(judge(sketch)).toEqual({ holes, windows });
  });
});

describe('timelines', () => {
  test.each([
    {
      title: 'the segment of the switch is read from the newer one',
      backups: [early],
      wal: '1:2-6 2:7-9',
      histories: { 2: [[1, 7]] as const },
      holes: [],
      windows: ['1: day 2 to 2:9@209'],
    },
    {
      title: 'it does not matter that the older one has it, too',
      backups: [early, onTwo],
      wal: '1:2-7 2:7-9',
      histories: { 2: [[1, 7]] as const },
      holes: [],
      windows: ['1: day 2 to 2:9@209', '2: day 7 to 2:9@209'],
    },
    {
      title: 'the older one does not stand in for it',
      backups: [early],
      wal: '1:2-7 2:8-9',
      histories: { 2: [[1, 7]] as const },
      holes: ['2:7-2:7 (1) cuts off 2; destroys '],
      windows: ['1: day 2 to 1:6@unknown'],
    },
    {
      title: 'a hole before the switch cuts off the older backups only',
      backups: [early, onTwo],
      wal: '1:2-4 2:7-9',
      histories: { 2: [[1, 7]] as const },
      holes: ['1:5-1:6 (2) cuts off 2; destroys '],
      windows: ['1: day 2 to 1:4@104', '2: day 7 to 2:9@209'],
    },
    {
      title: 'a hole behind the switch cuts off all before it',
      backups: [early, onTwo],
      wal: '1:2-6 2:7-9 2:b',
      histories: { 2: [[1, 7]] as const },
      holes: ['2:a-2:a (1) cuts off 2,7; destroys '],
      windows: ['1: day 2 to 2:9@209', '2: day 7 to 2:9@209'],
    },
    {
      title: 'a history without segments yet leaves the older timeline the newest',
      backups: [early],
      wal: '1:2-6',
      histories: { 2: [[1, 7]] as const },
      holes: [],
      windows: ['1: day 2 to 1:6@106'],
    },
    {
      title: 'a timeline that goes on beside its child is looked at, too',
      backups: [early],
      wal: '1:2-8 1:a 2:7-9',
      histories: { 2: [[1, 7]] as const },
      holes: ['1:9-1:9 (1) cuts off 2; destroys '],
      windows: ['1: day 2 to 2:9@209'],
    },
    {
      title: 'a backup that ended after the switch does not go to the child',
      backups: [aBackup({ day: 3, begin: '1:7', end: '1:8', endXlog: lsnIn(8) })],
      wal: '1:7-8 2:7 2:9',
      histories: { 2: [[1, 7]] as const },
      holes: [],
      windows: ['1: day 3 to 1:8@108'],
    },
    {
      title: 'two switches in one segment',
      backups: [early],
      wal: '1:2-6 3:7-8',
      histories: {
        2: [[1, 7]] as const,
        3: [
          [1, 7],
          [2, 7],
        ] as const,
      },
      holes: [],
      windows: ['1: day 2 to 3:8@308'],
    },
    {
      title: 'a timeline whose history is missing is on its own',
      backups: [early, onTwo],
      wal: '1:2-4 2:9-b',
      holes: [],
      windows: ['1: day 2 to 1:4@104', '2: day 7 to 2:b@211'],
    },
  ])('$title', ({ holes, windows, ...sketch }) => {
    expect(judge(sketch)).toEqual({ holes, windows });
  });
});
