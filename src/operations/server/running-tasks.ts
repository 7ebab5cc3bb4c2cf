import { join } from 'node:path';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { readLockOwner } from '../../shared/file-lock.ts';
import { namesIn } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { stopProcess } from '../../transport/programs/stop-process.ts';
import { stopIdleReceiverUnit, stopReceiverProcess } from '../wal/receiver-unit.ts';

/** Work that runs for a server, as its locks tell (docs/reference/config-checks-hooks.md section 15). */
export interface RunningTask {
  readonly name: string;
  readonly pid: number;
}

const taskNames = ['receive-wal', 'sync-backup', 'backup', 'cron', 'archive-wal', 'sync-wal'] as const;

/** Tasks of this server alone: Barman also counts those of a server whose name continues this one's. */
export async function readRunningTasks(server: Server): Promise<RunningTask[]> {
  const prefix = `.${server.config.name}-`;
  const found: RunningTask[] = [];
  for (const file of (await namesIn(server.layout.locks)).toSorted()) {
    const task =
      file.startsWith(prefix) && file.endsWith('.lock') ? taskOf(file.slice(prefix.length, -'.lock'.length)) : undefined;
    const pid = task === undefined ? undefined : await readLockOwner(join(server.layout.locks, file));
    if (task !== undefined && pid !== undefined) found.push({ name: task, pid });
  }
  return found;
}

/**
 * Stops the first process of a task with SIGINT.
 * @throws OperatorError `unknown-task` when there is none, or it does not end
 */
export async function stopTask(server: Server, taskName: string, context: Context): Promise<void> {
  const task = (await readRunningTasks(server)).find(({ name }) => name === taskName);
  if (task === undefined) {
    if (taskName === 'receive-wal' && (await stopIdleReceiverUnit(server))) return;
    throw new OperatorError(
      'unknown-task',
      `Termination of ${taskName} failed: no such process for server ${server.config.name}`,
      {
        hint: `list-processes ${server.config.name} shows what runs`,
      },
    );
  }
  const { name, pid } = task;
  const stopped = name === 'receive-wal' ? stopReceiverProcess(server, pid, context.clock) : stopProcess(pid, context.clock);
  if ((await stopped) === 'survived') {
    throw new OperatorError('unknown-task', `Cannot terminate process ${name}(${String(pid)})`, {
      hint: `look at it with ps -fp ${String(pid)}`,
    });
  }
  context.messages.info(`Stopped process ${name}(${String(pid)})`);
}

function taskOf(lockName: string): string | undefined {
  if (/^\d{8}T\d{6}-sync-backup$/.test(lockName)) return 'sync-backup';
  return taskNames.find((name) => name === lockName);
}
