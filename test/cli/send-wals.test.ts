// One connection for all that a restore_command asks for: each answer says as much as `get-wal --strict` would.
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };

/** What came before the answers, and each answer with its bytes. */
async function ask(home: TestHome, requests: readonly string[]): Promise<readonly { line: string; content: Buffer }[]> {
  const output = execFileSync(await programPath(home), ['-c', home.configFile, 'send-wals', 'main'], {
    env: home.env(),
    input: requests.map((request) => `${request}\n`).join(''),
    maxBuffer: 1 << 30,
  });
  const answers: { line: string; content: Buffer }[] = [];
  for (let rest = output; rest.length > 0; ) {
    const line = rest.toString('latin1', 0, rest.indexOf('\n'));
    const bytes = Number(/^file (\d+)$/.exec(line)?.[1] ?? 0);
    const begin = line.length + 1;
    answers.push({ line, content: rest.subarray(begin, begin + bytes) });
    rest = rest.subarray(begin + bytes);
  }
  return answers;
}

test('send-wals answers each request for a WAL file: with the file, that there is none, or that it cannot be handed out', async () => {
  await using home = await createTestHome({ servers: { main: server } });
  const [plain, packed, cut, arriving, received] = [1, 2, 3, 4, 5].map((number) => aSegment(number)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const archived = (name: string) => home.server('main', 'wals', '0000000100000000', name);
  for (const folder of ['wals/0000000100000000', 'incoming', 'streaming'])
    await mkdir(home.server('main', folder), { recursive: true });
  const stored = execFileSync('zstd', ['-q', '-c'], { input: packed, maxBuffer: 1 << 30 });
  const history = Buffer.from('1\t0/100000\tno recovery target specified\n');
  await writeFile(archived(nameOfSegment(1)), plain);
  await writeFile(archived(nameOfSegment(2)), stored);
  await writeFile(archived(nameOfSegment(3)), cut.subarray(0, 500_000));
  await writeFile(home.server('main', 'incoming', nameOfSegment(4)), arriving);
  await writeFile(home.server('main', 'streaming', `${nameOfSegment(5)}.partial`), received);
  await writeFile(home.server('main', 'wals', '00000002.history'), history);
  const expected: readonly [string, string, Buffer?][] = [
    [nameOfSegment(1), 'file', plain],
    [nameOfSegment(9), 'none'],
    [nameOfSegment(2), 'file', stored],
    [`${nameOfSegment(2)} plain`, 'file', packed],
    ['00000002.history', 'file', history],
    ['00000003.history', 'none'],
    [nameOfSegment(3), 'failed'],
    [nameOfSegment(4), 'file', arriving],
    [nameOfSegment(5), 'none'],
    [`${nameOfSegment(5)} partial`, 'file', received],
    ['../../main/wals/main-xlog.db', 'failed'],
    ['', 'failed'],
    [nameOfSegment(1), 'file', plain],
  ];
  const [greeting, ...answers] = await ask(
    home,
    expected.map(([request]) => request),
  );
  expect(greeting?.line).toBe('pgcellar-wals 1');
  const shown = answers.map(({ line, content }, index) => {
    const [, , wanted = Buffer.alloc(0)] = expected[index] ?? [];
    return [line.split(' ')[0], content.equals(wanted)];
  });
  expect(shown).toEqual(expected.map(([, answer]) => [answer, true]));
});

test('send-wals says in its first line when nothing is to be fetched ahead', async () => {
  await using home = await createTestHome({ servers: { main: { ...server, restore_ahead: false } } });
  expect((await ask(home, []))[0]?.line).toBe('pgcellar-wals 1 not-ahead');
  const unknown = await runPgcellar(['send-wals', 'nobody'], { home });
  expect(unknown.exitCode).toBe(1);
});
