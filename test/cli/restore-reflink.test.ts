// On a file system that has reflinks a restore shares its blocks with the backup: it needs no space, and neither side sees what is written to the other.
import { appendFile, mkdir, readdir, readFile, stat, statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeSubvolume, mountReflinkFileSystem } from '../helpers/reflink-file-system.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const { secondTwin } = writtenBackups;
const relationBytes = 16 * 2 ** 20;
const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
const fileSystems = ['btrfs', 'xfs'] as const;

async function isMountable(kind: (typeof fileSystems)[number]): Promise<boolean> {
  await using probe = await mountReflinkFileSystem(kind);
  return probe !== undefined;
}
const mountable = { btrfs: await isMountable('btrfs'), xfs: await isMountable('xfs') };

/** The whole catalog of the server lies on another file system. */
async function moveCatalog(home: TestHome, to: string): Promise<string> {
  await writeCatalog(home, 'main');
  const relation = home.server('main', 'base', secondTwin, 'data', 'base', '1', '1259');
  await mkdir(join(relation, '..'), { recursive: true });
  await runProgram(['sh', '-c', 'head -c "$1" /dev/urandom > "$2"', 'sh', String(relationBytes), relation]);
  const server = home.server('main');
  await runProgram(['cp', '-a', server, join(to, 'main')]);
  await runProgram(['rm', '-r', server]);
  await symlink(join(to, 'main'), server);
  return relation;
}

async function freeBytes(path: string): Promise<number> {
  await runProgram(['sync', '-f', path]);
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Leaves about so many bytes free. */
async function fill(path: string, leavesBytes: number): Promise<void> {
  const script = 'head -c "$1" /dev/urandom > "$2"';
  const bytes = Math.max(0, (await freeBytes(path)) - leavesBytes);
  await runProgram(['sh', '-c', script, 'sh', String(bytes), join(path, 'ballast')]);
}

interface Plan {
  readonly space: readonly { readonly path: string; readonly needed_bytes: number }[];
}

async function restore(home: TestHome, destination: string): Promise<Plan> {
  const words = ['-f', 'json', 'restore', '--get-wal', 'main', secondTwin, destination];
  const { exitCode, stdout } = await runPgcellar(words, { home });
  expect(exitCode, stdout).toBe(0);
  return (JSON.parse(stdout) as { plan: Plan }).plan; // the head of a run is its plan
}

describe.each(fileSystems)('on %s', (kind) => {
  test.skipIf(!mountable[kind])('a restore beside its backup shares blocks, and is a file of its own', async () => {
    await using small = await mountReflinkFileSystem(kind);
    const place = small?.path ?? '';
    await using home = await createTestHome({ servers: { main: server } });
    const relation = await moveCatalog(home, place);
    const content = await readFile(relation);
    // there is less room than another copy would take
    await fill(place, relationBytes / 2);
    const left = await freeBytes(place);
    expect(left).toBeLessThan(relationBytes);
    const plan = await restore(home, join(place, 'restored'));
    expect(plan.space).toMatchObject([{ path: join(place, 'restored'), needed_bytes: 0 }]);
    expect(left - (await freeBytes(place))).toBeLessThan(relationBytes / 4);
    const restored = join(place, 'restored/base/1/1259');
    expect((await readFile(restored)).equals(content)).toBe(true);
    await appendFile(restored, 'written by the restored server');
    expect((await stat(relation)).size).toBe(relationBytes);
    expect((await readFile(relation)).equals(content)).toBe(true);
  });

  test.skipIf(!mountable[kind])(
    'a restore to another file system than that of the backup is a copy, and needs its space',
    async () => {
      await using small = await mountReflinkFileSystem(kind);
      const place = small?.path ?? '';
      await using elsewhere = await createTemporaryFolder('el');
      await using home = await createTestHome({ servers: { main: server } });
      const relation = await moveCatalog(home, elsewhere.path);
      const before = await freeBytes(place);
      const plan = await restore(home, join(place, 'restored'));
      expect(plan.space[0]?.needed_bytes).toBeGreaterThan(relationBytes);
      expect(before - (await freeBytes(place))).toBeGreaterThan(relationBytes * 0.9);
      expect((await readFile(join(place, 'restored/base/1/1259'))).equals(await readFile(relation))).toBe(true);
    },
  );
});

describe('between subvolumes of one btrfs', () => {
  test.skipIf(!mountable.btrfs)('a restore shares its blocks', async () => {
    await using small = await mountReflinkFileSystem('btrfs');
    const place = small?.path ?? '';
    const volumes = { catalog: join(place, 'catalog'), clusters: join(place, 'clusters') };
    for (const path of Object.values(volumes)) await makeSubvolume(path);
    expect((await stat(volumes.catalog)).dev).not.toBe((await stat(volumes.clusters)).dev);
    await using home = await createTestHome({ servers: { main: server } });
    await moveCatalog(home, volumes.catalog);
    await fill(place, relationBytes / 2);
    const left = await freeBytes(place);
    const before = await readdir(volumes.clusters);
    const plan = await restore(home, join(volumes.clusters, 'restored'));
    expect(plan.space).toMatchObject([{ path: join(volumes.clusters, 'restored'), needed_bytes: 0 }]);
    expect(left - (await freeBytes(place))).toBeLessThan(relationBytes / 4);
    expect(await readdir(volumes.clusters)).toEqual([...before, 'restored']);
  });

  test.skipIf(!mountable.btrfs)('what goes to two of them needs the space of one file system', async () => {
    await using small = await mountReflinkFileSystem('btrfs');
    const place = small?.path ?? '';
    const volumes = { data: join(place, 'data'), fast: join(place, 'fast') };
    for (const path of Object.values(volumes)) await makeSubvolume(path);
    await using home = await createTestHome({ servers: { main: server } });
    await writeCatalog(home, 'main');
    const { weekly } = writtenBackups;
    for (const below of ['data', '16400/PG_15_202209061/5']) {
      const relation = home.server('main', 'base', weekly, below, 'relation');
      await runProgram(['sh', '-c', 'head -c "$1" /dev/urandom > "$2"', 'sh', String(relationBytes), relation]);
    }
    await fill(place, relationBytes * 1.5);
    const words = ['restore', '--get-wal', '--tablespace', `fast:${join(volumes.fast, 'ts')}`, 'main', weekly];
    const result = await runPgcellar([...words, join(volumes.data, 'restored')], { home });
    expect(result).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/there is too little space at \S+: 3\d{7} bytes are needed and 2\d{7} are free/) as string,
    });
  });
});
