import { readdirSync, readFileSync } from 'node:fs';
import { systemCodeOf } from '../../shared/operator-error.ts';

/**
 * Kills a process and all that it started, directly or not. Each is stopped before its children are looked for, so that none starts
 * another in between. What has become the child of somebody else meanwhile is not found.
 */
export function killTree(root: number): void {
  const found = [root];
  for (const pid of found) {
    signal(pid, 'SIGSTOP');
    found.push(...childrenOf(pid));
  }
  for (const pid of found) signal(pid, 'SIGKILL');
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
    .map(Number);
}

/** The second word behind the name of the program, which may hold anything (proc(5)). */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined; // it has ended by now
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH' && systemCodeOf(error) !== 'EPERM') throw error; // it has ended, or runs as another user by now
  }
}
