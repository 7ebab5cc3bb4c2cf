import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestHome } from './test-home.ts';

/** Text of the newest backup record of a server, whatever its status. */
export async function newestRecord(home: TestHome, server = 'main'): Promise<string> {
  const meta = home.server(server, 'meta');
  const records = (await readdir(meta)).filter((name) => name.endsWith('-backup.info'));
  return await readFile(join(meta, records.toSorted().at(-1) ?? ''), 'utf8');
}
