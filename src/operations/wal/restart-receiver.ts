import { serverLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { readLockOwner } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { startDetached } from '../../transport/programs/start-detached.ts';
import { startReceiverUnit, stopReceiverProcess } from './receiver-unit.ts';

/**
 * Stops the receiver of a server, if it runs, and starts it in the background, if the server as it is configured now has one: what a
 * changed configuration needs to take effect. A server that is inactive, disabled or passive gets none.
 * @param self the beginning of a command line of ours
 * @throws OperatorError `receiver-failed` when the running one does not end
 */
export async function restartReceiver(server: Server, self: readonly string[], context: Context): Promise<void> {
  const { name, options, isActive, isPassive, problems } = server.config;
  const pid = await readLockOwner(serverLockPath(server.layout, 'receive-wal'));
  if (pid !== undefined) {
    if ((await stopReceiverProcess(server, pid, context.clock)) === 'survived') {
      throw new OperatorError('receiver-failed', `Cannot terminate process receive-wal(${String(pid)})`, {
        hint: `it ignores SIGINT: look at it with ps -fp ${String(pid)}`,
      });
    }
    context.messages.info(`Stopped process receive-wal(${String(pid)})`);
  }
  if (!options.streaming_archiver || !isActive || isPassive || problems.length > 0) return;
  context.messages.info(`Starting streaming archiver for server ${name}`);
  if (await startReceiverUnit(server)) return;
  await startDetached([...self, 'receive-wal', name], { environment: server.environment, keepsOutput: false });
}
