import type { Clock } from '../../shared/clock.ts';
import { isAlive } from '../../shared/is-alive.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';

/** Sends SIGINT and looks once a second, up to ten times, whether the process has ended (docs/reference/config-checks-hooks.md section 15). */
export async function stopProcess(pid: number, clock: Clock): Promise<'stopped' | 'survived'> {
  if (!sendSignal(pid, 'SIGINT')) return 'stopped';
  for (let tries = 0; tries < 100; tries++) {
    await clock.sleep(100);
    if (!isAlive(pid)) return 'stopped';
  }
  return 'survived';
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false;
    throw error;
  }
}
