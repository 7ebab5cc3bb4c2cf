import { existsSync } from 'node:fs';
import type { RunningProgram } from './run-program.ts';
import { waitFor } from './wait-for.ts';

/**
 * Waits until a backup copies files: rsync is started while the server still begins the backup.
 * @param started file that the test's own rsync makes
 */
export async function untilCopying(running: RunningProgram, started: string): Promise<void> {
  const isCopying = (): boolean => existsSync(started) && running.stdout().includes('Starting backup copy');
  await waitFor('rsync is started, and the backup has begun', isCopying, { explain: () => running.stderr() });
}
