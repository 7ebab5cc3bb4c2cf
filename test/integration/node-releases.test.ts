// The short form of everything on each release of Node.js: WAL comes by both ways, a backup is taken, checked, restored and started.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMachine } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { helperOf, openShipSite } from '../helpers/ship-site.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { waitForReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer } from '../helpers/test-home.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const major = 18;
const opened = new Opened();
let cluster: PostgresServer;

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
});
afterAll(() => opened.close());

describe.each(readMachine().nodes)('Node.js $version', ({ version, folder }) => {
  test('takes WAL and a backup, packed, and gives both back', async () => {
    const slot = `node_${version.replaceAll('.', '_')}`;
    const packed = { compression: 'zstd', backup_compression: 'zstd', backup_compression_format: 'tar' };
    await using home = await createTestHome({
      servers: { main: streamingServer(cluster, { slot_name: slot, immediate_checkpoint: true, ...packed }) },
    });
    const run = async (...words: readonly string[]): Promise<string> => {
      const result = await runPgcellar(words, { home, path: [folder] });
      expect({ words, ...result }).toMatchObject({ words, exitCode: 0, stderr: '' });
      return result.stdout;
    };
    expect(await run('diagnose')).toContain(`Node.js v${version}`);
    await run('cron');
    await waitForReceiver(home, cluster, slot);
    await run('switch-wal', '--force', '--archive', 'main');
    await run('backup', '--wait', 'main');
    await cluster.query(`CREATE TABLE ${slot} AS SELECT generate_series(1, 1000) AS id`);
    await run('switch-wal', '--archive', 'main');
    await run('check', 'main');
    expect(await run('list-backups', '--table', 'main')).toContain('1 backup');

    await using restored = await createTemporaryFolder('nr', { owner: 'server' });
    await run('restore', '--partial-wal', 'main', 'latest', join(restored.path, 'data'));
    await using server = await startRestored({ dataDir: join(restored.path, 'data'), major, wait: 'promoted' });
    expect(await server.value(`SELECT count(*)::text FROM ${slot}`)).toBe('1000');
    await run('terminate-process', 'main', 'receive-wal');
  });

  test('runs the helpers of the database host and their partner on the backup host', async () => {
    await using site = await openShipSite('ours', {}, folder);
    const [name, content] = [nameOfSegment(1), aSegment(1)];
    await writeFile(join(site.data, 'pg_wal', name), content);
    for (const words of [['--zstd'], ['--lz4']]) {
      const archive = [await helperOf(site, 'wal-archive'), ...words, '127.0.0.1', 'main', `pg_wal/${name}`];
      expect(await site.run(archive)).toMatchObject({ exitCode: 0, stderr: '' });
    }
    for (const words of [[], ['-p', '4'], ['--strict']]) {
      const restore = [await helperOf(site, 'wal-restore'), ...words, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG'];
      expect(await site.run(restore)).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
    }
  });
});

describe('a Node.js that is older than package.json says', () => {
  test('is refused in two lines before anything is done, and PostgreSQL does not take that for the end of the archive', async () => {
    await using home = await createTestHome();
    await home.writeFile('older.cjs', "Object.defineProperty(process.versions, 'node', { value: '18.20.8' });\n");
    const env = { NODE_OPTIONS: `--require ${join(home.folder, 'older.cjs')}` };
    const { exitCode, stdout, stderr } = await runPgcellar(['list-servers'], { home, env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^ERROR: pgcellar needs Node\.js 20 or newer, and \S+ is 18\.20\.8\ninstall a newer one .*\n$/);
    const strict = ['get-wal', '--strict', 'main', '000000010000000000000003'];
    expect(await runPgcellar(strict, { home, env })).toMatchObject({ exitCode: 200 });
  });
});

test('the floor that README and the program name is that of package.json', async () => {
  const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { engines: { node: string } }; // our own file
  const floor = /\d+/.exec(engines.node)?.[0] ?? '';
  expect(await readFile(join(root, 'README.md'), 'utf8')).toContain(`Both need only Node.js ${floor} or newer`);
  expect(await readFile(join(root, 'bin', 'load-program.cjs'), 'utf8')).toContain(`const oldestNode = ${floor};`);
  expect(await readFile(join(root, 'tsconfig.json'), 'utf8')).toContain(`@tsconfig/node${floor}/`);
  expect(readMachine().nodes[0]?.version.split('.')[0]).toBe(floor);
});
