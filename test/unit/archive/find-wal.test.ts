import { expect, test } from 'vitest';
import { peekWals, requireWalName, walCandidates } from '../../../src/archive/find-wal.ts';
import { walOf } from '../catalog/a-backup.ts';
import { aCatalog } from '../catalog/a-catalog.ts';

/** Empty files: `a:1:2` in the archive, `i:1:2` in incoming, `s:1:2` in streaming; whole names instead of `1:2` too. */
async function catalogWith(...places: readonly string[]) {
  const paths = places.map((place) => {
    const name = walOf(place.slice(2));
    const archive = name.endsWith('.history') ? 'wals' : `wals/${name.slice(0, 16)}`;
    return `${{ a: archive, i: 'incoming', s: 'streaming' }[place[0] as 'a' | 'i' | 's']}/${name}`; // one of the three by the sketch
  });
  return await aCatalog(Object.fromEntries(paths.map((path) => [path, ''])));
}

test('a segment is looked for in the archive, incoming and streaming, and in the archive again', async () => {
  await using catalog = await aCatalog();
  const paths = (name: string, allowsPartial: boolean) =>
    walCandidates(catalog.layout, walOf(name), { allowsPartial }).map(({ path }) => path.slice(catalog.layout.root.length + 1));
  const two = walOf('1:2');
  const archived = `wals/0000000100000000/${two}`;
  expect(paths('1:2', false)).toEqual([archived, `incoming/${two}`, `streaming/${two}`, archived]);
  expect(paths('1:2', true)).toEqual([
    archived,
    `incoming/${two}`,
    `streaming/${two}`,
    `streaming/${two}.partial`,
    `streaming/${two}`,
    `${archived}.partial`,
    `incoming/${two}.partial`,
    archived,
  ]);
  expect(paths('00000002.history', true)).toEqual([
    'wals/00000002.history',
    'incoming/00000002.history',
    'streaming/00000002.history',
    'wals/00000002.history',
  ]);
});

test.each([
  { title: 'wherever they lie', places: ['a:1:2', 'i:1:3', 's:1:4'], from: '1:2', found: ['1:2', '1:3', '1:4'] },
  { title: 'up to the first gap', places: ['a:1:2', 'a:1:3', 'a:1:6'], from: '1:2', found: ['1:2', '1:3'] },
  {
    title: 'not past a gap at a power of two without a next log file',
    places: ['a:1:3', 'a:1:5'],
    from: '1:3',
    found: ['1:3'],
  },
  { title: 'none when the first is missing', places: ['a:1:3'], from: '1:2', found: [] },
  { title: 'never partial ones', places: ['a:1:2', 's:1:3.partial'], from: '1:2', found: ['1:2'] },
  {
    title: 'a history by itself',
    places: ['a:00000002.history', 'a:1:2'],
    from: '00000002.history',
    found: ['00000002.history'],
  },
  { title: 'no history when there is none', places: ['a:1:2'], from: '00000002.history', found: [] },
  {
    title: 'a label by itself',
    places: ['a:1:2.00000028.backup', 'a:1:2'],
    from: '1:2.00000028.backup',
    found: ['1:2.00000028.backup'],
  },
  {
    title: 'over the end of a log file of 256 segments',
    places: ['a:1:FE', 'a:1:FF', 'a:000000010000000100000000', 'a:000000010000000100000001'],
    from: '1:FE',
    found: ['1:FE', '1:FF', '000000010000000100000000', '000000010000000100000001'],
  },
  {
    title: 'over the end of a log file of 4 segments',
    places: ['a:1:3', 'a:000000010000000100000000'],
    from: '1:3',
    found: ['1:3', '000000010000000100000000'],
  },
  {
    title: 'not into the next log file when the segment asked for is missing',
    places: ['a:000000010000000100000000'],
    from: '1:4',
    found: [],
  },
])('peeking lists $title', async ({ places, from, found }) => {
  await using catalog = await catalogWith(...places);
  expect(await peekWals(catalog.layout, walOf(from), 10)).toEqual(found.map(walOf));
});

test('peeking lists no more than was asked for', async () => {
  await using catalog = await catalogWith('a:1:2', 'a:1:3', 'a:1:4');
  expect(await peekWals(catalog.layout, walOf('1:2'), 2)).toEqual([walOf('1:2'), walOf('1:3')]);
});

test.each(['', '00000001', '../../etc/passwd', '000000010000000000000002.gz', '00000001000000000000000G'])(
  '"%s" is refused as a WAL name, with exit code 3',
  (name) => {
    expect(() => requireWalName(name)).toThrow(expect.objectContaining({ code: 'wal-name-invalid', exitCode: 3 }));
  },
);
