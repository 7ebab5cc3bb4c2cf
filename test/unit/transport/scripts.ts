import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What programs of a test run with. */
export const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', PGCELLAR_TEST_FILE: process.env['PGCELLAR_TEST_FILE'] };

/** Writes a shell script that may be run; gives its path. */
export async function writeScript(folder: string, name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}
