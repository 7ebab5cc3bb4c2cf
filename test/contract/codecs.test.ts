import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allCodecs, detectCompressionOf, writePlainContent } from '../../src/compression/all-codecs.ts';
import { type Codec, contentOf, isDamage } from '../../src/compression/codec.ts';
import { zstd } from '../../src/compression/codecs/zstd.ts';
import { customCodec } from '../../src/compression/custom-codec.ts';
import { OperatorError } from '../../src/shared/operator-error.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

const path = '/usr/local/bin:/usr/bin:/bin';
/** Wraps gzip, with first bytes of its own: a pipeline, so that it must get standard input as a whole. */
const custom = {
  compressFilter: 'printf MINE && gzip -c | cat',
  decompressFilter: '[ "$(dd bs=1 count=4 2>/dev/null)" = MINE ] && gzip -dc',
  magic: Buffer.from('MINE'),
  isAssumed: false,
};
const surroundings = { path, environment: { PATH: path }, custom };

/** The program of that name; snappy has none, and a custom filter is one. */
function programOf({ name }: Codec): string | undefined {
  return name === 'snappy' || name === 'custom' ? undefined : name;
}

/** Compresses well in one half and not at all in the other, and is longer than any buffer on the way. */
const segment = Buffer.concat([
  Buffer.alloc(300_000, 'wal '),
  Buffer.from(fc.sample(fc.uint8Array({ minLength: 200_000, maxLength: 200_000 }), 1)[0]!),
]);

describe.each([...allCodecs, customCodec(custom)])('$name', (codec) => {
  const program = programOf(codec) ?? 'none';
  const hasProgram = programOf(codec) !== undefined;
  const medium = 'medium';

  /** For codecs whose files a standard program writes and opens; the others have no such test. */
  function testWithProgram(title: string, work: () => Promise<void>): void {
    if (hasProgram) test(title, work);
  }

  async function plainOf(path: string, folder: string): Promise<Buffer> {
    const output = createWriteStream(join(folder, 'opened'));
    await codec.decompress(contentOf(path), output, surroundings);
    expect(output.writableEnded).toBe(false);
    output.end();
    await finished(output);
    return await readFile(join(folder, 'opened'));
  }

  test.each([
    { title: 'a segment', content: segment },
    { title: 'an empty file', content: Buffer.alloc(0) },
    { title: 'a single byte', content: Buffer.from('x') },
  ])('$title comes back as it was, and the source stays', async ({ content }) => {
    await using folder = await createTemporaryFolder('codec');
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, content);
    await codec.compress(from, to, medium, surroundings);
    expect((await plainOf(to, folder.path)).equals(content)).toBe(true);
    expect((await readFile(from)).equals(content)).toBe(true);
  });

  test('its files are recognised by their first bytes', async () => {
    await using folder = await createTemporaryFolder('codec');
    await writeFile(join(folder.path, 'from'), 'plain');
    await codec.compress(join(folder.path, 'from'), join(folder.path, 'to'), medium, surroundings);
    expect(await detectCompressionOf(join(folder.path, 'to'), custom)).toBe(codec.family);
    expect(await detectCompressionOf(join(folder.path, 'from'), custom)).toBeUndefined();
  });

  testWithProgram('the standard program opens what it writes', async () => {
    await using folder = await createTemporaryFolder('codec');
    await writeFile(join(folder.path, 'from'), segment);
    await codec.compress(join(folder.path, 'from'), join(folder.path, 'to'), medium, surroundings);
    const words = ['sh', '-c', `${program} -dc < to > opened`];
    expect(await runProgram(words, { cwd: folder.path, env: surroundings.environment })).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect((await readFile(join(folder.path, 'opened'))).equals(segment)).toBe(true);
  });

  testWithProgram('it opens what the standard program writes, also several files one after the other', async () => {
    await using folder = await createTemporaryFolder('codec');
    await writeFile(join(folder.path, 'from'), segment);
    const words = ['sh', '-c', `${program} -c < from > to; echo tail | ${program} -c >> to`];
    expect(await runProgram(words, { cwd: folder.path, env: surroundings.environment })).toMatchObject({ exitCode: 0 });
    const expected = Buffer.concat([segment, Buffer.from('tail\n')]);
    expect((await plainOf(join(folder.path, 'to'), folder.path)).equals(expected)).toBe(true);
  });

  testWithProgram('it opens what came through a pipe, whose size nobody knew', async () => {
    await using folder = await createTemporaryFolder('codec');
    await runProgram(['sh', '-c', `printf piped | ${program} -c > to`], { cwd: folder.path, env: surroundings.environment });
    expect((await plainOf(join(folder.path, 'to'), folder.path)).toString()).toBe('piped');
  });

  test.each([
    { title: 'a file that was cut off', damage: (whole: Buffer) => whole.subarray(0, whole.length - 20) },
    {
      title: 'a file with a wrong byte',
      damage: (whole: Buffer) => Buffer.from(whole).fill(0x55, whole.length - 100_000, whole.length - 99_000),
    },
    // nothing but its magic is what snappy makes of an empty file
    {
      title: 'nothing but its magic',
      damage: (whole: Buffer) => whole.subarray(0, codec.magic.length - (codec.name === 'snappy' ? 1 : 0)),
    },
    { title: 'something else', damage: () => Buffer.from('plain text that never was compressed') },
  ])('$title is refused', async ({ damage }) => {
    await using folder = await createTemporaryFolder('codec');
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, segment);
    await codec.compress(from, to, medium, surroundings);
    await writeFile(to, damage(await readFile(to)));
    const failure = await plainOf(to, folder.path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OperatorError);
    expect(isDamage(failure)).toBe(codec.name !== 'custom'); // its command may be wrong as well
  });

  test('a file that is there already is not overwritten, and a missing one is refused', async () => {
    await using folder = await createTemporaryFolder('codec');
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, segment);
    await writeFile(to, 'precious');
    await expect(codec.compress(from, to, medium, surroundings)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(to, 'utf8')).toBe('precious');
    await expect(codec.compress(join(folder.path, 'none'), join(folder.path, 'new'), medium, surroundings)).rejects.toThrow();
    await expect(codec.decompress(contentOf(join(folder.path, 'none')), new PassThrough(), surroundings)).rejects.toThrow();
  });

  test('every level that the table names can be written and opened', async () => {
    await using folder = await createTemporaryFolder('codec');
    const from = join(folder.path, 'from');
    await writeFile(from, segment.subarray(0, 310_000));
    const { least, most, ...named } = codec.levels;
    const numbers = new Set([least, 0, ...Object.values(named), most].filter((each) => each >= least));
    for (const level of [...numbers, 'low', 'medium', 'high'] as const) {
      const to = join(folder.path, `level${String(level)}`);
      await codec.compress(from, to, level, surroundings);
      expect((await plainOf(to, folder.path)).length, `level ${String(level)}`).toBe(310_000);
    }
  });

  test('its content is written plain without being asked for its name', async () => {
    await using folder = await createTemporaryFolder('codec');
    await writeFile(join(folder.path, 'from'), 'plain');
    await codec.compress(join(folder.path, 'from'), join(folder.path, 'to'), medium, surroundings);
    const output = new PassThrough();
    await writePlainContent(join(folder.path, 'to'), output, surroundings);
    await writePlainContent(join(folder.path, 'from'), output, surroundings);
    output.end();
    expect(Buffer.concat((await output.toArray()) as Buffer[]).toString()).toBe('plainplain'); // no encoding is set
  });
});

test('zstd at a level that is a number is what the program of that name does at it', async () => {
  await using folder = await createTemporaryFolder('codec');
  const { env, from, to } = { env: surroundings.environment, from: join(folder.path, 'from'), to: join(folder.path, 'to') };
  await writeFile(from, segment);
  await zstd.compress(from, to, zstd.levels.medium, surroundings);
  const words = ['sh', '-c', 'zstd -q -c --single-thread -4 < from | cmp - to'];
  expect(await runProgram(words, { cwd: folder.path, env })).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
});
