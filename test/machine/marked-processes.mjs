// Processes are known by a variable in their environment: children inherit it, so it finds all that was started under a mark,
// however far it went into the background, and nothing else. (sshd and PostgreSQL's backends write over theirs, and are not found.)
import { readdir, readFile } from 'node:fs/promises';

/** Running processes but this one whose environment holds `variable=value`: `{ pid, command }`. */
export async function findMarkedProcesses(variable, value) {
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

/** Kills them once; what they start meanwhile is left for the next look. */
export function killProcesses(processes) {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // it ended by itself
    }
  }
}

/** Empty for a process that ended meanwhile, is a zombie, or belongs to somebody else: then it is not one of ours. */
async function readOfProcess(pid, name) {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code)) return '';
    throw error;
  }
}
