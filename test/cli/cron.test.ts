// One pass of cron over several servers without PostgreSQL: what it starts, what it leaves alone, and in which order it tells.
import { existsSync } from 'node:fs';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

const names = Array.from({ length: 12 }, (_, number) => `s${String(number).padStart(2, '0')}`);
const arrived = '000000010000000000000009';
const server = { conninfo: 'host=127.0.0.1 port=1 user=barman', backup_method: 'postgres', archiver: 'on' };

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome({
    servers: {
      ...Object.fromEntries(names.map((name) => [name, server])),
      s03: { ...server, conninfo: '' },
      zz: { ...server },
    },
  });
  for (const name of [...names, 'zz']) await writeCatalog(home, name);
  const [later, far] = [Date.now() / 1000, Date.now() / 1000 + 60];
  for (const name of [...names, 'zz']) {
    for (const folder of await readdir(home.server(name, 'wals'))) {
      const path = home.server(name, 'wals', folder);
      await utimes(path, later, folder.endsWith('xlog.db') ? far : later);
    }
  }
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

test('where nothing waits nothing is started, and a disabled server is told', async () => {
  const result = await runPgcellar(['cron'], { home });
  expect(result).toMatchObject({ exitCode: 0, stdout: "Skipping temporarily disabled server 's03'\n", stderr: '' });
});

test('what waits is archived, and servers are told of in the order of their names', async () => {
  const waiting = ['s01', 's05', 's07', 's11'];
  for (const name of waiting) await writeFile(home.server(name, 'incoming', arrived), 'content of a segment');
  const { exitCode, stdout } = await runPgcellar(['cron'], { home });
  expect(exitCode).toBe(0);
  expect(stdout.split('\n')).toEqual([
    'Starting WAL archiving for server s01',
    "Skipping temporarily disabled server 's03'",
    ...waiting.slice(1).map((name) => `Starting WAL archiving for server ${name}`),
    '',
  ]);
  for (const name of waiting) {
    await waitFor(`${name} has archived it`, () => existsSync(home.server(name, 'wals', arrived.slice(0, 16), arrived)));
  }
});

test('a server that fails keeps no other from its turn', async () => {
  await writeFile(join(home.server('s02'), 'meta', '20240305T020000-backup.info'), 'no record');
  await home.writeServer('s02', { ...server, retention_policy: 'REDUNDANCY 2' });
  await writeFile(home.server('zz', 'incoming', arrived), 'content of a segment');
  const { exitCode, stdout, stderr } = await runPgcellar(['cron'], { home });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: .*20240305T020000/m);
  expect(stdout).toContain('Starting WAL archiving for server zz\n');
});
