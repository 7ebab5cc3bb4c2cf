import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isLockHeld, lockFile, readLockOwner, tryLockFile } from '../../../src/shared/file-lock.ts';

let folder: string;
let path: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgcellar-lock-'));
  path = join(folder, '.main-backup.lock');
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

/** The flock(1) program holding the lock, as any other user of flock(2) would. */
async function holdWithFlockProgram(): Promise<ChildProcess> {
  const child = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

test('a held lock names its owner and refuses a second holder', async () => {
  await using lock = await tryLockFile(path);
  expect(lock).toBeDefined();
  expect(await readFile(path, 'utf8')).toBe(`${String(process.pid)}\n`);
  expect(await readLockOwner(path)).toBe(process.pid);
  expect(await tryLockFile(path)).toBeUndefined();
});

test('a released lock is free again and its file stays', async () => {
  const lock = await tryLockFile(path);
  await lock?.release();
  expect(await isLockHeld(path)).toBe(false);
  expect(await readLockOwner(path)).toBeUndefined();
  await using again = await tryLockFile(path);
  expect(again).toBeDefined();
});

test('the flock program and we see each other', async () => {
  const other = await holdWithFlockProgram();
  expect(await tryLockFile(path)).toBeUndefined();
  expect(await isLockHeld(path)).toBe(true);
  const ended = once(other, 'close');
  other.kill('SIGKILL');
  await ended;
});

test('waiting for a lock ends when the signal aborts', async () => {
  await using held = await tryLockFile(path);
  expect(held).toBeDefined();
  const abort = new AbortController();
  const waiting = lockFile(path, { signal: abort.signal });
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
});

test('a waiting lock is granted when the holder releases it', async () => {
  const held = await tryLockFile(path);
  const waiting = lockFile(path);
  await held?.release();
  await using granted = await waiting;
  expect(granted.path).toBe(path);
});

test('a lock whose file was unlinked is taken on the new file', async () => {
  await using first = await tryLockFile(path);
  expect(first).toBeDefined();
  await rm(path);
  await using second = await tryLockFile(path);
  expect(second).toBeDefined();
  expect(await readLockOwner(path)).toBe(process.pid);
});

test('a missing lock folder is told in one line', async () => {
  await expect(tryLockFile(join(folder, 'missing', 'x.lock'))).rejects.toMatchObject({ code: 'lock-failed' });
});

test('taking a lock never fails because others ask about it', async () => {
  await (await tryLockFile(path))?.release();
  let isOver = false;
  const ask = async (): Promise<void> => {
    while (!isOver) await isLockHeld(path);
  };
  const asking = [ask(), ask(), ask()];
  for (let turn = 0; turn < 40; turn++) {
    await using lock = await tryLockFile(path);
    expect(lock).toBeDefined();
  }
  isOver = true;
  await Promise.all(asking);
});

test('those who ask at the same time do not take each other for the holder', async () => {
  await (await tryLockFile(path))?.release();
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await isLockHeld(path)));
  expect(answers).not.toContain(true);
});

test("Barman's way to ask, which takes the lock for an instant, is waited out", async () => {
  const instant = await holdWithFlockProgram();
  const taking = tryLockFile(path);
  const ended = once(instant, 'close');
  instant.kill('SIGKILL');
  await ended;
  await using lock = await taking;
  expect(lock).toBeDefined();
});

test('a lock that its owner really holds is refused, also to the owner itself', async () => {
  await using held = await tryLockFile(path);
  expect(held).toBeDefined();
  expect(await Promise.all([tryLockFile(path), isLockHeld(path), readLockOwner(path)])).toEqual([undefined, true, process.pid]);
});
