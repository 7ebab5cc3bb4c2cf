// A file where the catalog has a folder, or a folder where it has a file: each verb says so, and another server is not concerned.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const opened = new Opened();
let home: TestHome;

beforeAll(async () => {
  const section = { conninfo: 'host=/nowhere', streaming_conninfo: 'host=/nowhere', backup_method: 'postgres', archiver: 'on' };
  home = await opened.add(createTestHome({ servers: { bad: section, good: section } }));
});
afterAll(() => opened.close());

const { weekly } = writtenBackups;

test.each([
  { entry: '', is: 'file' },
  { entry: 'wals', is: 'file' },
  { entry: 'meta', is: 'file' },
  { entry: 'streaming', is: 'file' },
  { entry: 'wals/bad-xlog.db', is: 'folder' },
  { entry: `base/${weekly}/backup.info`, is: 'folder' },
])('$entry of a server is a $is', async ({ entry, is }) => {
  for (const server of ['bad', 'good']) {
    await rm(home.server(server), { recursive: true, force: true });
    await writeCatalog(home, server);
  }
  const path = home.server('bad', entry);
  await rm(path, { recursive: true, force: true });
  await (is === 'file' ? writeFile(path, 'x') : mkdir(path));
  for (const words of [['cron'], ['check', 'all'], ['retention', 'all'], ['list-backups', 'all'], ['delete', 'bad', weekly]]) {
    const { stdout, stderr } = await runPgcellar(words, { home });
    expect.soft(`${words.join(' ')}: ${stdout}${stderr}`).not.toMatch(/EXCEPTION| at .*:\d+:\d+/);
    if (words[0] === 'list-backups') expect.soft(stdout).toMatch(new RegExp(`^good ${weekly} `, 'm'));
  }
});
