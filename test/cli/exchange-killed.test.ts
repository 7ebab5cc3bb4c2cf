// Exports and imports of a backup that are really killed before any of their changes, and on a disk that gets full.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { exchangedIdentity, exchangedServer, exportingHome } from '../helpers/exporting-home.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writtenBackups } from '../helpers/write-catalog.ts';

const mounts = await canMount();
const killer = fileURLToPath(new URL('../helpers/kill-at.cjs', import.meta.url));
const { weekly } = writtenBackups;

async function importingHome(backupDirectory?: string): Promise<TestHome> {
  const home = await createTestHome({
    servers: { main: { ...exchangedServer, ...(backupDirectory === undefined ? {} : { backup_directory: backupDirectory }) } },
  });
  const folder = backupDirectory ?? home.server('main');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'identity.json'), exchangedIdentity);
  return home;
}

const out = (home: TestHome, ...names: string[]) => join(home.folder, 'out', ...names);
const exportTo = (home: TestHome, folder = out(home)) => ['export-backup', 'main', weekly, folder];

async function run(home: TestHome, words: readonly string[], killAt?: number): Promise<ProgramResult> {
  const env = killAt === undefined ? {} : { NODE_OPTIONS: `--require ${killer}`, KILL_AT: String(killAt) };
  return await runPgcellar(words, { home, env });
}

/** The path of the one file that was exported. */
async function exportedFile(home: TestHome): Promise<string> {
  const names = (await readdir(out(home))).filter((name) => name.endsWith('.tar'));
  expect(names).toHaveLength(1);
  return out(home, names[0] ?? '');
}

async function listed(home: TestHome): Promise<string> {
  return (await run(home, ['list-backups', '--minimal', 'main'])).stdout;
}

/** Paths of everything in a folder but what is derived. */
async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => !name.startsWith('.pgcellar')).toSorted();
}

test('an export that is killed leaves no file that is taken for one, and the next one removes what is left', async () => {
  await using home = await exportingHome();
  let killed = 0;
  for (let step = 1; ; step += 2) {
    const { signal } = await run(home, exportTo(home), step);
    const left = await readdir(out(home));
    if (signal === undefined) break;
    killed++;
    // a complete one only when the kill came after its rename
    for (const name of left.filter((file) => file.endsWith('.tar'))) {
      await using other = await importingHome();
      expect(await run(other, ['import-backup', 'main', out(home, name)])).toMatchObject({ exitCode: 0 });
    }
  }
  expect(killed).toBeGreaterThan(1);
  expect((await readdir(out(home))).filter((name) => !name.endsWith('.tar'))).toEqual([]);
});

test('an import that is killed before any of its changes is undone or complete, and can be done again', {
  timeout: 240_000,
}, async () => {
  await using home = await exportingHome();
  await run(home, exportTo(home));
  const file = await exportedFile(home);
  await using whole = await importingHome();
  await run(whole, ['import-backup', 'main', file]);
  const complete = await filesIn(whole.server('main'));
  let killed = 0;
  for (let step = 1; ; step += 3) {
    await using other = await importingHome();
    const { signal } = await run(other, ['import-backup', 'main', file], step);
    if (signal === undefined) break;
    killed++;
    // what is listed is there
    if ((await listed(other)) !== '') {
      expect(existsSync(other.server('main', 'base', weekly, 'data'))).toBe(true);
      expect(await readFile(other.server('main', 'wals', 'main-xlog.db'), 'utf8')).toContain('000000010000000000000002');
    }
    expect(await run(other, ['cron'])).toMatchObject({ exitCode: 0 });
    if ((await listed(other)) === '') expect(await run(other, ['import-backup', 'main', file])).toMatchObject({ exitCode: 0 });
    expect(await listed(other)).toBe(`${weekly}\n`);
    expect(await filesIn(other.server('main'))).toEqual(complete);
  }
  expect(killed).toBeGreaterThan(5);
});

test.skipIf(!mounts)('an export onto a disk that gets full says so and leaves nothing', async () => {
  await using home = await exportingHome();
  await writeFile(home.server('main', 'base', weekly, 'data', 'big'), Buffer.alloc(6 << 20, 1));
  await using small = await mountSmallFileSystem({ sizeMib: 3 });
  const { exitCode, stderr } = await run(home, exportTo(home, small.path));
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: .*(?:space|ENOSPC)/m);
  expect(await readdir(small.path)).toEqual([]);
});

test.skipIf(!mounts)('an import onto a disk that gets full says so and is undone', async () => {
  await using home = await exportingHome();
  await writeFile(home.server('main', 'base', weekly, 'data', 'big'), Buffer.alloc(6 << 20, 1));
  await run(home, exportTo(home));
  await using small = await mountSmallFileSystem({ sizeMib: 3 });
  await using other = await importingHome(join(small.path, 'main'));
  const { exitCode, stderr } = await run(other, ['import-backup', 'main', await exportedFile(home)]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: .*(?:space|ENOSPC)/m);
  expect(await listed(other)).toBe('');
  const left = await filesIn(join(small.path, 'main'));
  expect(left.filter((name) => name.includes(weekly) || name.includes('.import-'))).toEqual([]);
});
