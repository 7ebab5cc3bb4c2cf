import { readFileSync } from 'node:fs';
import { systemCodeOf } from './operator-error.ts';

/** Whether a process with that id runs; one that has ended and only waits for its parent to look does not. */
export function isAlive(pid: number): boolean {
  return isThere(pid) && !isZombie(pid);
}

/** In a container whose first process never looks, the dead stay for ever. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${String(pid)}/stat`, 'latin1'));
  } catch {
    return false; // it is gone by now, or not ours to look at: the signal has said what can be known
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false;
    if (systemCodeOf(error) === 'EPERM') return true;
    throw error;
  }
}
