// The end of `npm test`: a vitest of its own on a folder of files that fail in several ways.
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../../helpers/opened.ts';
import { type ProgramResult, runProgram } from '../../helpers/run-program.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
const opened = new Opened();
let root: string;

/** `tries` says the how manieth run of the file it is. */
function fileWith(name: string, tests: string): Promise<void> {
  const text = `
    import { appendFileSync, readFileSync } from 'node:fs';
    import { beforeAll, test } from 'vitest';
    appendFileSync('${name}.tries', '.');
    const tries = readFileSync('${name}.tries').length;
    const failAtFirst = (text) => { if (tries === 1) throw new Error(text); };
    ${tests}`;
  return writeFile(join(root, `${name}.test.ts`), text);
}

async function triesOf(name: string): Promise<number> {
  return (await readFile(join(root, `${name}.tries`), 'utf8')).length;
}

async function runTests(
  words: readonly string[],
  { isCi = false, runsAgain = true } = {},
): Promise<ProgramResult & { lines: string[] }> {
  const settings = JSON.stringify({ root, words, missing: [], isCi, runsAgain, node: process.execPath });
  const script = `
    import { runTests } from ${JSON.stringify(join(repository, 'test', 'machine', 'run-tests.mjs'))};
    process.exitCode = await runTests({ ...${settings}, env: process.env });`;
  const env = { PATH: process.env['PATH'], HOME: root, NO_COLOR: '1' };
  const result = await runProgram([process.execPath, '--input-type=module', '-e', script], { cwd: root, env });
  return { ...result, lines: result.stdout.trimEnd().split('\n') };
}

beforeAll(async () => {
  root = (await opened.add(createTemporaryFolder('rt'))).path;
  await mkdir(join(root, 'deep'));
  await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
  await writeFile(join(root, 'package.json'), '{ "type": "module" }');
});
afterAll(() => opened.close());

describe('files that failed are run once more', () => {
  test('those that pass then are listed at the end with what failed, and fail nothing', async () => {
    await fileWith('right', "test('is right', () => {});");
    await fileWith('late', "test('is late', () => failAtFirst('too early\\nand more')); test('is right', () => {});");
    await fileWith('hook', "beforeAll(() => failAtFirst('no server')); test('needs the hook', () => {});");
    await fileWith('deep/left', "test.skip('is left out', () => {}); test('is late, too', () => failAtFirst('x'));");
    const { exitCode, stdout, lines } = await runTests([]);
    expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 0, last: '5 passed, 0 failed' });
    const listed = stdout.slice(stdout.indexOf('!!! FLAKY'));
    expect(listed).toContain('late.test.ts\n!!!     is late: Error: too early\n');
    expect(listed).toMatch(/hook\.test\.ts\n!!! {5}.*no server\n/);
    expect(listed).toContain('deep/left.test.ts\n!!!     is late, too: Error: x\n');
    expect(listed).not.toContain('right.test.ts');
    expect(await Promise.all(['right', 'late', 'hook', 'deep/left'].map(triesOf))).toEqual([1, 2, 2, 2]);
  });

  test('one that fails again counts once, and its tests that passed at last count as passed', async () => {
    await fileWith('wrong', "test('is wrong', () => { throw new Error('y'); }); test('is late', () => failAtFirst('x'));");
    await fileWith('later', "test('is late', () => failAtFirst('x'));");
    const { exitCode, stdout, lines } = await runTests(['wrong', 'later']);
    expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 1, last: '2 passed, 1 failed' });
    const listed = stdout.slice(stdout.indexOf('!!! FLAKY'));
    expect(listed).toContain('later.test.ts');
    expect(listed).not.toContain('wrong.test.ts');
    expect(await Promise.all(['wrong', 'later'].map(triesOf))).toEqual([2, 2]);
  });

  test('a pattern for titles holds in the second run, too', async () => {
    await fileWith(
      'two',
      "test('first', () => failAtFirst('x')); test('second', () => { throw new Error('not asked for'); });",
    );
    const { exitCode, lines } = await runTests(['two', '-t', 'first'], { isCi: true });
    expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 0, last: '1 passed, 0 failed' });
  });

  test('not when that was not asked for', async () => {
    await fileWith('once', "test('is late', () => failAtFirst('x'));");
    const { exitCode, lines } = await runTests(['once'], { runsAgain: false });
    expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 1, last: '0 passed, 1 failed' });
    expect(await triesOf('once')).toBe(1);
  });
});

test('with CI a test that was skipped is a failure', async () => {
  await fileWith('skipped', "test.skip('is left out', () => {}); test('is right', () => {});");
  const { exitCode, lines } = await runTests(['skipped'], { isCi: true });
  expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 1, last: '1 passed, 1 failed' });
});

test('an error that no test waited for fails its file, which is run again', async () => {
  const throwLater = (when: string): string =>
    `test('is right', async () => { if (${when}) setTimeout(() => { throw new Error('stray'); }); await new Promise((done) => setTimeout(done, 50)); });`;
  await fileWith('stray', throwLater('true'));
  await fileWith('stray-once', throwLater('tries === 1'));
  const { exitCode, stdout, lines } = await runTests(['stray']);
  expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 1, last: '2 passed, 1 failed' });
  expect(stdout).toContain('stray-once.test.ts\n!!!     outside of its tests: stray\n');
});
