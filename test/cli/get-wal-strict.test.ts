import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome } from '../helpers/test-home.ts';

const segment = '000000010000000000000001';
const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };

test('with --strict, a missing segment is told from everything that PostgreSQL must not take for one', async () => {
  await using home = await createTestHome({ servers: { main: server } });
  const get = async (...words: string[]) => (await runPgcellar(['get-wal', ...words], { home })).exitCode;
  expect(await get('--strict', 'main', segment)).toBe(1);
  expect(await get('--strict', 'nobody', segment)).toBeGreaterThan(125);
  await mkdir(join(home.server('main', 'wals'), segment.slice(0, 16), segment), { recursive: true }); // a folder in its place
  expect(await get('main', segment)).toBe(1);
  await home.writeFile('barman.conf', 'no section\n');
  expect(await get('main', segment)).toBe(1);
  expect(await get('--strict', 'main', segment)).toBeGreaterThan(125);
});
