import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

const demo = fileURLToPath(new URL('../demo/demo.mjs', import.meta.url));

test('a demo whose reader goes away ends without a stack, stops its servers, and can be cleaned', async () => {
  await using folder = await createTemporaryFolder('dm');
  const place = join(folder.path, 'demo');
  const env = { ...process.env };
  const { exitCode, stdout, stderr } = await runProgram(
    ['sh', '-c', '"$@" | { read -r line; read -r line; read -r line; echo "$line"; }', 'sh', process.execPath, demo, place],
    { env },
  );
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('PostgreSQL runs on port') as string,
  });
  expect(stderr).not.toMatch(/EPIPE|^ {4}at /m);
  const { data } = JSON.parse(await readFile(join(place, 'this-is-a-pgcellar-demo.json'), 'utf8')) as { data: string }; // the demo's own mark
  expect(existsSync(join(data, 'primary', 'PG_VERSION'))).toBe(true);
  expect(existsSync(join(data, 'primary', 'postmaster.pid'))).toBe(false);
  expect(await runProgram([process.execPath, demo, '--clean', place], { env })).toMatchObject({ exitCode: 0 });
  expect(existsSync(data) || existsSync(place)).toBe(false);
});
