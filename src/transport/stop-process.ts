import { readFileSync } from 'node:fs';
import type { Clock } from '../shared/clock.ts';
import { systemCodeOf } from '../shared/operator-error.ts';

/** Sends SIGINT and looks once a second, up to ten times, whether the process has ended (config-checks-hooks.md section 15). */
export async function stopProcess(pid: number, clock: Clock): Promise<'stopped' | 'survived'> {
  if (!sendSignal(pid, 'SIGINT')) return 'stopped';
  for (let tries = 0; tries < 100; tries++) {
    await clock.sleep(100);
    if (!isAlive(pid)) return 'stopped';
  }
  return 'survived';
}

/** Whether a process with that id runs; one that has ended and only waits for its parent to look does not. */
export function isAlive(pid: number): boolean {
  return sendSignal(pid, 0) && !isZombie(pid);
}

/** In a container whose first process never looks, the dead stay for ever. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${String(pid)}/stat`, 'latin1'));
  } catch {
    return false; // it is gone by now, or not ours to look at: the signal has said what can be known
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false;
    if (systemCodeOf(error) === 'EPERM' && signal === 0) return true;
    throw error;
  }
}
