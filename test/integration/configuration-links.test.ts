// Configuration behind a link that leads out of the data folder: what a backup says of it, and the two documented ways to keep it.
import { appendFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 18;
const opened = new Opened();
let cluster: PostgresServer;
let outside: TemporaryFolder;
let places: TemporaryFolder;
let home: TestHome;

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
  outside = await opened.add(createTemporaryFolder('co', { owner: 'server' }));
  places = await opened.add(createTemporaryFolder('pl', { owner: 'server' }));
  home = await opened.add(createTestHome({ owner: 'server' }));
  await configure();
  await startReceiver(home, cluster);
  await writeFile(join(outside.path, '10-memory.conf'), 'work_mem = 5MB\n');
  await symlink(outside.path, join(cluster.dataDir, 'conf.d'));
  await appendFile(join(cluster.dataDir, 'postgresql.conf'), "include_dir 'conf.d'\n");
  cluster.reload();
  await waitFor('the file is read', async () => (await cluster.value('SHOW work_mem')) === '5MB');
});
afterAll(async () => opened.close());

async function configure(more: IniSection = {}): Promise<void> {
  await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...more }));
}

async function backUp(): Promise<string> {
  const { exitCode, stdout, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home });
  expect([exitCode, stderr.split('\n').filter((line) => line.startsWith('ERROR'))]).toEqual([0, []]);
  return `${stdout}${stderr}`;
}

async function restore(name: string): Promise<string> {
  const dataDir = join(places.path, name);
  await runWell(['restore', 'main', 'latest', dataDir], { home });
  return dataDir;
}

async function expectItStarts(dataDir: string): Promise<void> {
  await using server = await startRestored({ dataDir, major });
  expect(await server.value('SHOW work_mem')).toBe('5MB');
}

test('a backup by pg_basebackup names the link and what is behind it, once', async () => {
  const said = await backUp();
  expect(said).toContain('not in the backup, because pg_basebackup copies neither links nor special files: conf.d\n');
  expect(said).toContain(`Please manually backup the following files:\n\t${join(cluster.dataDir, 'conf.d/10-memory.conf')}\n`);
  const later = await backUp();
  expect(later).not.toMatch(/not in the backup|manually backup/);
  const dataDir = await restore('without');
  await expect(startRestored({ dataDir, major })).rejects.toThrow(/conf\.d/);
});

test('a script after the backup keeps it beside the files, and the server starts once it is unpacked', async () => {
  const inside = outside.path.replace(/^\//, '');
  await configure({ post_backup_script: `tar -czf - -C / ${inside} > "$BARMAN_BACKUP_DIR/configuration.tar.gz"` });
  await backUp();
  await configure();
  const [id = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
  const packed = home.server('main', 'base', id, 'configuration.tar.gz');
  const dataDir = await restore('by-script');
  await mkdir(join(dataDir, 'conf.d'));
  const depth = String(inside.split('/').length);
  const { exitCode } = await runProgram(['tar', '-xzf', packed, '-C', join(dataDir, 'conf.d'), `--strip-components=${depth}`]);
  expect(exitCode).toBe(0);
  await expectItStarts(dataDir);
});

test('a backup by rsync has the files in place of the link', async () => {
  await configure({ backup_method: 'local-rsync' });
  expect(await backUp()).not.toMatch(/not in the backup|not backed up|manually backup/);
  await expectItStarts(await restore('by-rsync'));
  await configure();
});
