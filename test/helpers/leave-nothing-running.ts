// A setup file of vitest: a test file that leaves processes behind fails, and they are killed so that the next one is not disturbed.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { findMarkedProcesses, killMarkedProcesses, type MarkedProcess } from './marked-processes.ts';

const variable = 'PGCELLAR_TEST_FILE';
const value = randomUUID();
/** What was told to end may need a moment for it. */
const graceMs = 5_000;

process.env[variable] = value;

// Hooks that end something run last first, so this one, registered before the file's own, runs after all of them.
afterAll(async () => {
  const left = await stillRunning();
  if (left.length === 0) return;
  await killMarkedProcesses(variable, value);
  const lines = left.map(({ pid, command }) => `  ${String(pid)} ${command}`);
  throw new Error(`this test file left processes running:\n${lines.join('\n')}`);
});

async function stillRunning(): Promise<MarkedProcess[]> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const found = await findMarkedProcesses(variable, value);
    if (found.length === 0 || performance.now() > deadline) return found;
    await delay(100);
  }
}
