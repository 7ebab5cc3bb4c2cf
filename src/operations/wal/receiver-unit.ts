import { readFile } from 'node:fs/promises';
import type { Server } from '../../config/server.ts';
import type { Clock } from '../../shared/clock.ts';
import { isMissing, pathExists } from '../../shared/look.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import { stopProcess } from '../../transport/programs/stop-process.ts';

/** Is there where systemd runs (sd_booted(3)). */
const bootedMark = '/run/systemd/system';

/**
 * Starts the receiver of a server as a unit of systemd, whose journal, limits and restarts it then has (docs/reference/since-3.17.md section 14).
 * @returns false where that is not possible, or not allowed: then it is started as a process of our own
 */
export async function startReceiverUnit({ receiverUnit, environment }: Server): Promise<boolean> {
  return receiverUnit !== undefined && (await isBooted()) && (await tellSystemd('start', receiverUnit, environment));
}

/** Stops the unit where no receiver runs: it may be about to start one again. */
export async function stopIdleReceiverUnit({ receiverUnit, environment }: Server): Promise<boolean> {
  return receiverUnit !== undefined && (await isBooted()) && (await tellSystemd('stop', receiverUnit, environment));
}

/** Ends a receiver through its unit when it runs in one, so that systemd does not start it again; otherwise with SIGINT. */
export async function stopReceiverProcess(server: Server, pid: number, clock: Clock): Promise<'stopped' | 'survived'> {
  const { receiverUnit, environment } = server;
  if (receiverUnit !== undefined && (await isIn(pid, receiverUnit))) await tellSystemd('stop', receiverUnit, environment);
  return await stopProcess(pid, clock); // one that has ended counts as stopped
}

async function isBooted(): Promise<boolean> {
  return await pathExists(bootedMark);
}

/** The user may not be allowed to, and there may be no such unit: that is not a failure. */
async function tellSystemd(verb: 'start' | 'stop', unit: string, environment: Server['environment']): Promise<boolean> {
  const { exitCode } = await runProgram(['systemctl', '--no-ask-password', verb, unit], { environment });
  return exitCode === 0;
}

async function isIn(pid: number, unit: string): Promise<boolean> {
  try {
    return isInUnit(await readFile(`/proc/${String(pid)}/cgroup`, 'utf8'), unit);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Whether a process with these control groups (proc(5)) belongs to a unit: that of a service has its name. */
export function isInUnit(groups: string, unit: string): boolean {
  return groups.split('\n').some((line) => line.endsWith(`/${unit}`) || line.includes(`/${unit}/`));
}
