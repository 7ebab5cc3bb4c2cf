// What is acknowledged would survive a power cut: the order of writing, syncing, renaming and removing is looked at.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { indexedWals, namesIn } from '../helpers/archived-wals.ts';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { runWell } from '../helpers/run-well.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';
import { walTar } from '../helpers/wal-tar.ts';

const preload = fileURLToPath(new URL('../helpers/note-changes.cjs', import.meta.url));
const [one, two] = [nameOfSegment(1), nameOfSegment(2)];

/** What was done, and to which path; a rename or link has the new one as well. */
type Change = readonly [what: 'write' | 'sync' | 'rename' | 'link' | 'remove', path: string, to?: string];

let ring: GpgHome;
beforeAll(async () => {
  ring = await createGpgHome();
});
afterAll(() => ring[Symbol.asyncDispose]());

async function aHome(more: IniSection = {}): Promise<TestHome> {
  const main = { conninfo: 'host=127.0.0.1 port=1', backup_method: 'postgres', archiver: true, ...more };
  const home = await createTestHome({ servers: { main } });
  for (const folder of ['incoming', 'wals']) await mkdir(home.server('main', folder), { recursive: true });
  return home;
}

async function changesOf(words: readonly string[], home: TestHome, input?: Buffer): Promise<Change[]> {
  const notes = join(home.folder, 'notes');
  await writeFile(notes, '');
  const env = { NODE_OPTIONS: `--require ${preload}`, NOTES: notes, GNUPGHOME: ring.path };
  await runWell(words, { home, env, ...(input === undefined ? {} : { input }) });
  return (await readFile(notes, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Change);
}

/** Whether the bytes of a file and its name were synced after they last changed. */
function isDurable(path: string, changes: readonly Change[]): boolean {
  const namedAt = changes.findLastIndex(([, , to]) => to === path);
  const names = [path, changes[namedAt]?.[1] ?? path];
  const last = (what: Change[0], of: readonly string[]): number =>
    changes.findLastIndex(([did, to]) => did === what && of.includes(to));
  return last('sync', names) > last('write', names) && last('sync', [dirname(path)]) > namedAt;
}

test('a file that put-wal acknowledges is on disk under its name', async () => {
  await using home = await aHome();
  const changes = await changesOf(
    ['put-wal', 'main'],
    home,
    await walTar(new Map([one, two].map((name, index) => [name, aSegment(index + 1)]))),
  );
  for (const name of [one, two]) expect(isDurable(home.server('main', 'incoming', name), changes)).toBe(true);
});

interface Storing {
  readonly title: string;
  readonly options?: (ring: GpgHome) => IniSection;
  /** A crash has left the file in the archive, and no line in the index. */
  readonly isStray?: boolean;
}

test.each<Storing>([
  { title: 'nothing special' },
  { title: 'gzip', options: () => ({ compression: 'gzip' }) },
  { title: 'snappy', options: () => ({ compression: 'snappy' }) },
  { title: 'zstd', options: () => ({ compression: 'zstd' }) },
  { title: 'a custom filter', options: () => ({ compression: 'custom', custom_compression_filter: 'gzip -c' }) },
  { title: 'gpg', options: ({ keyId }) => ({ encryption: 'gpg', encryption_key_id: keyId }) },
  { title: 'hooks', options: () => ({ pre_archive_script: 'true' }) },
  { title: 'a copy that a crash left there', isStray: true },
])('archive-wal removes a file only when the archived one and its line in the index are on disk: $title', async (storing) => {
  await using home = await aHome(storing.options?.(ring));
  const stored = home.server('main', 'wals', one.slice(0, 16), one);
  const index = home.server('main', 'wals', 'main-xlog.db');
  const source = home.server('main', 'incoming', one);
  await writeFile(index, '');
  await writeFile(source, aSegment(1));
  if (storing.isStray === true) {
    await mkdir(dirname(stored));
    await writeFile(stored, await readFile(source));
  }
  const changes = await changesOf(['archive-wal', 'main'], home);
  const removedAt = changes.findIndex(([what, path]) => what === 'remove' && path === source);
  expect(removedAt).toBeGreaterThan(0);
  const before = changes.slice(0, removedAt);
  expect(before.some(([what, path]) => what === 'write' && path === index)).toBe(true);
  expect([stored, index].filter((path) => !isDurable(path, before))).toEqual([]);
  expect(await indexedWals(home)).toEqual([one]);
  expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
});
