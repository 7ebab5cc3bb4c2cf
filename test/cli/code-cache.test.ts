import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';

const codeCache = fileURLToPath(new URL('../../bin/code-cache.cjs', import.meta.url));
const text = (answer: number) => `'use strict'; exports.answer = () => ${String(answer)}; exports.path = __filename;\n`;

describe('a module that the build compiled', () => {
  let folder: TemporaryFolder;
  let path: string;
  beforeEach(async () => {
    folder = await createTemporaryFolder('code');
    path = join(folder.path, 'main.cjs');
    await writeFile(path, text(42));
    const write = `require(${JSON.stringify(codeCache)}).writeCaches(${JSON.stringify(path)}, (module) => module.answer())`;
    expect(await runProgram([process.execPath, '-e', write], { env: process.env })).toMatchObject({ exitCode: 0, stderr: '' });
    return async () => await folder[Symbol.asyncDispose]();
  });

  async function answer(): Promise<string> {
    const read = `const { answer, path } = require(${JSON.stringify(codeCache)}).requireCompiled(${JSON.stringify(path)}); console.log(answer(), path)`;
    return (await runProgram([process.execPath, '-e', read], { env: process.env })).stdout;
  }

  test('runs from what was compiled', async () => {
    expect(existsSync(`${path}.cache`)).toBe(true);
    expect(await answer()).toBe(`42 ${path}\n`);
  });

  test('runs as it is now when its text changed, be it as long as before', async () => {
    await writeFile(path, text(43));
    expect(await answer()).toBe(`43 ${path}\n`);
  });

  test('has the same modules as the files beside it, be they compiled or not', async () => {
    await writeFile(join(folder.path, 'part.cjs'), "exports.main = require('./main.cjs');\n");
    const read = `const main = require(${JSON.stringify(codeCache)}).requireCompiled(${JSON.stringify(path)});`;
    await writeFile(path, "exports.isSame = () => require('./part.cjs').main === module.exports;\n");
    const result = await runProgram([process.execPath, '-e', `${read} console.log(main.isSame())`], { env: process.env });
    expect(result).toMatchObject({ stdout: 'true\n' });
  });

  test.each([
    { title: 'nothing', content: () => Buffer.alloc(0) },
    { title: 'half of it', content: (whole: Buffer) => whole.subarray(0, whole.length >> 1) },
    {
      title: 'code of another version of V8',
      content: (whole: Buffer) => Buffer.concat([whole.subarray(0, 4 + text(42).length), Buffer.alloc(400, 7)]),
    },
  ])('runs all the same with $title in place of the compiled code', async ({ content }) => {
    await writeFile(`${path}.cache`, content(await readFile(`${path}.cache`)));
    expect(await answer()).toBe(`42 ${path}\n`);
  });
});
