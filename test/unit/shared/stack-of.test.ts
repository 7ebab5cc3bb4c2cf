import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { stackOf } from '../../../src/shared/stack-of.ts';
import { runProgram } from '../../helpers/run-program.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const esbuild = fileURLToPath(new URL('../../../node_modules/.bin/esbuild', import.meta.url));

/** What throws, made as the build makes the program. */
async function stackInProgram(...maps: string[]): Promise<unknown> {
  await using folder = await createTemporaryFolder('stack');
  const [source, program] = ['plan-restore.ts', 'program.cjs'].map((name) => join(folder.path, name)) as [string, string];
  await writeFile(source, '/* not kept */\nexport function planRestore(wanted: string) {\n  throw new Error(wanted);\n}\n');
  const options = ['--format=cjs', '--minify-whitespace', '--minify-identifiers', ...maps];
  const result = await runProgram([esbuild, source, `--outfile=${program}`, '--log-level=error', ...options], {
    env: process.env,
  });
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  const { planRestore } = createRequire(import.meta.url)(program) as { planRestore: (wanted: string) => never };
  try {
    return planRestore('no plan');
  } catch (error) {
    return stackOf(error);
  }
}

describe('the stack of a bug', () => {
  test('names the place in our source', async () => {
    expect(await stackInProgram('--sourcemap=external')).toMatch(/^Error: no plan\n +at \S+ \(\S*plan-restore\.ts:3:9\)\n/);
  });

  test('names the place in the program where nothing says which source it comes from', async () => {
    expect(await stackInProgram()).toMatch(/^Error: no plan\n +at \S+ \(\S+\/program\.cjs:1:\d+\)\n/);
  });

  test('of what is no error is the thing itself', () => {
    expect(stackOf('a word')).toBe('a word');
  });
});
