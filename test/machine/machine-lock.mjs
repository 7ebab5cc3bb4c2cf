// One preparation at a time: the lock lies on an open file, so it is free again when its holder ends, however it ends.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { PreparationError, say } from './run-command.mjs';

export async function withMachineLock(folder, work) {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const file = openSync(join(folder, 'prepare.lock'), 'a+');
  try {
    if (takeLock(file, ['-n']) !== 0) {
      say('waiting for another preparation to end');
      const status = takeLock(file, []);
      if (status !== 0) throw new PreparationError(`flock ended with ${status}`);
    }
    return await work();
  } finally {
    closeSync(file);
  }
}

/** A short-lived helper takes the lock for us: it belongs to the open file that both share. */
function takeLock(file, flags) {
  const helper = spawnSync('flock', [...flags, '3'], { stdio: ['ignore', 'ignore', 'inherit', file] });
  if (helper.error) throw new PreparationError(`flock (package util-linux) cannot be run: ${helper.error.message}`);
  return helper.status;
}
