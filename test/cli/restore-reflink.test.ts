// On a file system that has reflinks a restore shares its blocks with the backup: it needs no space, and neither side sees what is written to the other.
import { appendFile, mkdir, readFile, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mountReflinkFileSystem } from '../helpers/reflink-file-system.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const { secondTwin } = writtenBackups;
const relationBytes = 16 * 2 ** 20;
const probe = await mountReflinkFileSystem();
await probe?.[Symbol.asyncDispose]();

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

interface Plan {
  readonly space: readonly { readonly path: string; readonly needed_bytes: number }[];
}

async function restore(home: TestHome, destination: string): Promise<Plan> {
  const words = ['-f', 'json', 'restore', '--get-wal', 'main', secondTwin, destination];
  const { exitCode, stdout } = await runPgcellar(words, { home });
  expect(exitCode, stdout).toBe(0);
  return (JSON.parse(stdout) as { plan: Plan }).plan; // the head of a run is its plan
}

test.skipIf(probe === undefined)('a restore beside its backup shares blocks, and is a file of its own', async () => {
  await using small = await mountReflinkFileSystem();
  const place = small?.path ?? '';
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  await using home = await createTestHome({ servers: { main: server } });
  const relation = await moveCatalog(home, place);
  const content = await readFile(relation);
  const before = await freeBytes(place);
  // there is less room than another copy would take
  await writeFile(join(place, 'ballast'), Buffer.alloc(Math.max(0, before - relationBytes / 2)));
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

test.skipIf(probe === undefined)(
  'a restore to another file system than that of the backup is a copy, and needs its space',
  async () => {
    await using small = await mountReflinkFileSystem();
    const place = small?.path ?? '';
    await using elsewhere = await createTemporaryFolder('el');
    const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
    await using home = await createTestHome({ servers: { main: server } });
    const relation = await moveCatalog(home, elsewhere.path);
    const before = await freeBytes(place);
    const plan = await restore(home, join(place, 'restored'));
    expect(plan.space[0]?.needed_bytes).toBeGreaterThan(relationBytes);
    expect(before - (await freeBytes(place))).toBeGreaterThan(relationBytes * 0.9);
    expect((await readFile(join(place, 'restored/base/1/1259'))).equals(await readFile(relation))).toBe(true);
  },
);
