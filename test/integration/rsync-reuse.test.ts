// What a file-level backup takes from the one before, beside the real Barman: links, copies, records, restores in both directions.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import {
  backUpByRsync,
  configureRsync,
  type RsyncStage,
  restorePlaces,
  rowChecksums,
  setRsyncStage,
} from '../helpers/rsync-stage.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runWell } from '../helpers/run-well.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

const major = 15;

interface Found {
  readonly inode: bigint;
  readonly sum: string;
}

/** Path below a folder to what lies there. */
async function filesBelow(folder: string): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { ino } = await stat(path, { bigint: true });
    found.set(relative(folder, path), {
      inode: ino,
      sum: createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    });
  }
  return found;
}

let stage: RsyncStage;
const opened = new Opened();
beforeAll(async () => {
  stage = await setRsyncStage(major, opened);
  await stage.cluster.query('ALTER SYSTEM SET autovacuum = off'); // nobody but the tests changes files
  await stage.cluster.query('SELECT pg_reload_conf()');
});
afterAll(async () => opened.close());

const folderOf = (id: string, ...below: string[]): string => stage.home.server('main', 'base', id, ...below);

async function record(id: string): Promise<Map<string, string>> {
  const text = await readFile(stage.home.server('main', 'meta', `${id}-backup.info`), 'utf8');
  return new Map(
    text
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

describe('reuse_backup', () => {
  test.each(['link', 'copy'])('%s takes what did not change, and nothing that did', async (kind) => {
    const { cluster } = stage;
    const dataDir = cluster.dataDir;
    const odd = ['steady', 'later', 'later-same', 'fraction'].map((name) => join(dataDir, name));
    const soon = new Date(Date.now() + 3_600_000); // changed after any horizon: only the content tells
    for (const path of odd) await writeFile(path, 'before');
    for (const path of odd.slice(1, 3)) await utimes(path, soon, soon);
    await utimes(odd[3] ?? '', 1000.25, 1000.25);
    await utimes(odd[0] ?? '', 1000.25, 1000.25);
    await configureRsync(stage);
    const first = await backUpByRsync(stage);
    await cluster.query("UPDATE far SET t = 'changed' WHERE n = 77");
    await cluster.query('CHECKPOINT');
    await writeFile(odd[1] ?? '', 'after!');
    await utimes(odd[1] ?? '', soon, soon);
    await writeFile(odd[3] ?? '', 'after!'); // the same size within the same second
    await utimes(odd[3] ?? '', 1000.75, 1000.75);
    const second = await backUpByRsync(stage, [`--reuse-backup=${kind}`]);

    const [before, after] = [await filesBelow(folderOf(first)), await filesBelow(folderOf(second))];
    const live = await filesBelow(dataDir);
    const linked = [...after].filter(([path, { inode }]) => before.get(path)?.inode === inode).map(([path]) => path);
    const changed = (await cluster.value("SELECT pg_relation_filepath('far')")).split('/').at(-1) ?? '';
    expect([...after.keys()].some((path) => path.endsWith(`/${changed}`))).toBe(true);
    expect(linked.filter((path) => path.endsWith(`/${changed}`))).toEqual([]);
    for (const name of ['steady', 'later', 'later-same', 'fraction']) {
      expect([name, after.get(`data/${name}`)?.sum]).toEqual([name, live.get(name)?.sum]);
    }
    for (const [path, { sum }] of after) {
      const isRelation = /^data\/(base|global)\/(\d+\/)?\d+$/.test(path);
      if (isRelation) expect([path, sum]).toEqual([path, live.get(path.slice('data/'.length))?.sum]);
    }
    if (kind === 'copy') expect(linked).toEqual([]);
    else {
      expect(linked).toEqual(expect.arrayContaining(['data/steady', 'data/later-same', 'data/PG_VERSION']));
      expect(linked).not.toEqual(expect.arrayContaining(['data/later']));
      expect(linked).not.toEqual(expect.arrayContaining(['data/fraction']));
      expect(linked.length / after.size).toBeGreaterThan(0.9);
      const [facts, size] = [await record(second), [...after.keys()].length];
      expect(size).toBeGreaterThan(100);
      expect(Number(facts.get('deduplicated_size'))).toBeLessThan(Number(facts.get('size')) / 2);
    }
  });

  test('tells how much a linked backup takes on the disk', async () => {
    const text = await runWell(['backup', '--reuse-backup', 'link', '--wait', 'main'], { home: stage.home });
    expect(text).toMatch(
      /^Backup size: [\d.]+ MiB\. Actual size on disk: [\d.]+ [KM]iB \(-\d\d\.\d\d% deduplication ratio\)\.$/m,
    );
  });
});

describeWithOracle('beside the real Barman', () => {
  describe.each(['rsync', 'local-rsync'])('by %s', (method) => {
    let theirs: Backup;
    let ours: Backup;
    beforeAll(async () => {
      const { home, cluster } = stage;
      await configureRsync(stage, { reuse_backup: 'link', backup_method: method });
      ours = await taken(async () => ({ exitCode: 0, stdout: await runWell(['backup', '--wait', 'main'], { home }) }));
      await new Promise((resolve) => setTimeout(resolve, 1100)); // their ids count seconds too, and they do not look for a free one
      theirs = await taken(async () => await runOracle(['backup', 'main'], { home }));
      await cluster.query('SELECT pg_switch_wal()');
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      for (const { id } of [ours, theirs]) await runWell(['check-backup', 'main', id], { home }); // their WAL may have come later than they
    });

    interface Backup {
      readonly id: string;
      readonly told: string;
    }

    async function taken(take: () => Promise<{ exitCode: number | undefined; stdout: string }>): Promise<Backup> {
      const { exitCode, stdout } = await take();
      expect(exitCode).toBe(0);
      return { id: (await readdir(stage.home.server('main', 'base'))).toSorted().at(-1) ?? '', told: stdout };
    }

    test('the messages from begin to end are the same', () => {
      const lines = ({ id, told }: Backup) =>
        told
          .slice(0, told.indexOf('\n', told.indexOf('Backup completed')))
          .replaceAll(id, 'ID')
          .replaceAll(/\d+ seconds?|less than one second/g, 'N seconds')
          .replaceAll(/[\d.]+ [KM]iB|\d+\.\d+%/g, 'SIZE')
          .replaceAll(/[\dA-F]+\/[\dA-F]+ \([\dA-F]{24}, [\dA-F]{8}\)/g, 'POSITION')
          .replaceAll(/start time: [\d-]+ [\d:.]+/g, 'start time: TIME')
          .split('\n');
      expect(lines(ours)).toEqual(lines(theirs));
    });

    test('a record says what theirs says about the same cluster', async () => {
      const [own, other] = [await record(ours.id), await record(theirs.id)];
      const moving = /^(backup_label|begin_|end_|copy_stats|size|deduplicated_size|cluster_size|encryption)/;
      const steady = (from: Map<string, string>) => [...from].filter(([key]) => !moving.test(key));
      expect(steady(own)).toEqual(steady(other).filter(([key]) => own.has(key)));
      const statistics = (from: Map<string, string>) =>
        (from.get('copy_stats') ?? '').replaceAll(/\d+\.\d+(e-\d+)?|\b0\b/g, 'N');
      expect(statistics(own)).toBe(statistics(other));
    });

    test('a backup holds the files that theirs holds', async () => {
      const names = async ({ id }: Backup) =>
        [...(await filesBelow(folderOf(id))).keys()].filter((path) => path !== 'backup.info').toSorted();
      expect(await names(ours)).toEqual(await names(theirs));
    });

    test('our backup links to theirs', async () => {
      const own = await backUpByRsync(stage);
      const [before, after] = [await filesBelow(folderOf(theirs.id)), await filesBelow(folderOf(own))];
      const linked = [...after].filter(([path, { inode }]) => before.get(path)?.inode === inode);
      expect(linked.length / after.size).toBeGreaterThan(0.9);
    });

    test.each(['theirs', 'ours'])('%s is restored by the other', async (which) => {
      const { home, cluster } = stage;
      await using folder = await createTemporaryFolder('rr', { owner: 'server' });
      const { data, moved, tablespaces } = restorePlaces(stage, folder);
      const words = ['restore', ...moved, 'main', which === 'ours' ? ours.id : theirs.id, data];
      if (which === 'theirs') await runWell(words, { home });
      else expect(await runOracle(words, { home })).toMatchObject({ exitCode: 0 });
      await using restored = await startRestored({ dataDir: data, tablespaces, major, wait: 'promoted' });
      expect(await restored.query(rowChecksums)).toEqual(await cluster.query(rowChecksums));
    });
  });
});
