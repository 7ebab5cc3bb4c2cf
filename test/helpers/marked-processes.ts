import { readdir, readFile } from 'node:fs/promises';
import { waitFor } from './wait-for.ts';

export interface MarkedProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * Running processes whose environment holds `variable=value`. Children inherit it, so this finds all that a test started,
 * however far it went into the background, and nothing else.
 */
export async function findMarkedProcesses(variable: string, value: string): Promise<MarkedProcess[]> {
  const mark = `${variable}=${value}`;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readOfProcess(pid, 'environ');
      if (!environment.split('\0').includes(mark)) return undefined;
      const command = (await readOfProcess(pid, 'cmdline')).split('\0').join(' ').trim();
      return { pid: Number(pid), command };
    }),
  );
  return found.filter((marked) => marked !== undefined);
}

/** Kills them, and those they start meanwhile, until none is left. */
export async function killMarkedProcesses(variable: string, value: string): Promise<void> {
  await waitFor(`processes with ${variable}=${value} end`, async () => {
    const found = await findMarkedProcesses(variable, value);
    for (const { pid } of found) killIfAlive(pid);
    return found.length === 0;
  });
}

/** Empty for a process that ended meanwhile, is a zombie, or belongs to somebody else: then it is not one of ours. */
async function readOfProcess(pid: string, name: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended by itself
  }
}
