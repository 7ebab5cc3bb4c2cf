import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseBackupId } from '../../src/catalog/backups/backup.ts';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { recordPath, sketchBackup, writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
const { weekly, firstTwin, failed } = writtenBackups;

describeWithOracle('a backup that is kept', () => {
  test('is kept for both programs, whichever of them was told, and is let go by both', async () => {
    await using home = await createTestHome({ servers: { main: server } });
    await writeCatalog(home, 'main');
    const ours = (...words: string[]) => runPgcellar(words, { home });
    const theirs = (...words: string[]) => runOracle(words, { home });
    const mark = home.server('main', 'meta', `${weekly}-keep`);
    for (const [keep, ask] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      for (const target of ['full', 'standalone']) {
        expect(await keep('keep', '--target', target, 'main', weekly)).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
        expect(await readFile(mark, 'utf8')).toBe(target);
        expect((await ask('keep', '--status', 'main', weekly)).stdout).toBe(`Server main:\n\tKeep: ${target}\n`);
      }
      expect((await ours('delete', 'main', weekly)).exitCode).toBe(1);
      expect((await keep('keep', '--release', 'main', weekly)).exitCode).toBe(0);
      expect(existsSync(mark)).toBe(false);
      expect((await ask('keep', '-s', 'main', weekly)).stdout).toBe('Server main:\n\tKeep: nokeep\n');
    }
    const json = await ours('-f', 'json', 'keep', '-s', 'main', weekly);
    expect(json.stdout).toBe((await theirs('-f', 'json', 'keep', '-s', 'main', weekly)).stdout);
  });

  test.each([
    { title: 'without saying what to do', words: ['keep', 'main', weekly] },
    { title: 'when it has failed', words: ['keep', '--target', 'full', 'main', failed] },
    { title: 'when it is incremental', words: ['keep', '--target', 'standalone', 'main', firstTwin] },
    { title: 'when it is not there', words: ['keep', '--target', 'full', 'main', '20200101T000000'] },
  ])('is refused $title, with exit code 1', async ({ words }) => {
    await using home = await createTestHome({ servers: { main: server } });
    await writeCatalog(home, 'main');
    const rest = { parentBackupId: parseBackupId(weekly) ?? null };
    const incremental = sketchBackup({ id: firstTwin, server: 'main', segment: 4, rest });
    await writeFile(recordPath(home, 'main', firstTwin), formatBackupInfo(incremental));
    const [ours, theirs] = [await runPgcellar(words, { home }), await runOracle(words, { home })];
    expect({ exitCode: ours.exitCode, stdout: ours.stdout }).toEqual({ exitCode: theirs.exitCode, stdout: theirs.stdout });
    expect(ours.stderr.replace(/^HINT: .*\n/m, '')).toBe(theirs.stderr);
  });
});

describeWithOracle('check-backup', () => {
  test.each([
    { title: 'says nothing of a backup that has its WAL', id: weekly },
    { title: 'refuses a failed one', id: failed },
    { title: 'refuses one that is not there', id: '20200101T000000' },
  ])('$title, in the words of the real Barman', async ({ id }) => {
    await using home = await createTestHome({ servers: { main: server } });
    await writeCatalog(home, 'main');
    const words = ['check-backup', 'main', id];
    const [ours, theirs] = [await runPgcellar(words, { home }), await runOracle(words, { home })];
    expect({ ...ours, stderr: ours.stderr.replace(/^HINT: .*\n/m, '') }).toMatchObject(theirs);
  });
});

test('verify-backup says how a backup without a manifest gets one', async () => {
  await using home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
  const { exitCode, stderr } = await runPgcellar(['verify-backup', 'main', weekly], { home, postgres: 15 });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: .*backup_manifest.*No such file or directory$/m);
  expect(stderr).toContain(`HINT: pgcellar generate-manifest main ${weekly} makes a manifest`);
});

describeWithOracle('generate-manifest', () => {
  test('refuses a failed backup, of which the real Barman makes one that can be verified', async () => {
    await using home = await createTestHome({ servers: { main: server } });
    await writeCatalog(home, 'main');
    const words = ['generate-manifest', 'main', failed];
    const { exitCode, stderr } = await runPgcellar(words, { home });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `ERROR: backup ${failed} has status FAILED: a manifest of its files would say that they are complete\nHINT: show-backup main ${failed} gives the reason\n`,
    });
    const verify = async () => await runPgcellar(['verify-backup', 'main', failed], { home, postgres: 15 });
    expect((await verify()).stderr).toContain(`HINT: backup ${failed} has status FAILED: its files are not complete`);
    expect((await runOracle(words, { home })).exitCode).toBe(0);
    expect((await verify()).exitCode).toBe(0);
  });
});
