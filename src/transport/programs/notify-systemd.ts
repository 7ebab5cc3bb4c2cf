import type { Environment } from '../../shared/environment.ts';
import type { Log } from '../../shared/log.ts';
import { runProgram } from './run-program.ts';

/**
 * Tells the service manager what becomes of us: `READY=1`, `STATUS=…` (sd_notify(3)). Node cannot write to a unix datagram socket, so the
 * program `systemd-notify` does it, which is there where a service manager listens; its unit needs `NotifyAccess=all`. Nothing happens
 * where nobody listens; a failure is logged, and the service manager then says itself what it waits for.
 */
export async function notifySystemd(assignments: readonly string[], environment: Environment, log: Log): Promise<void> {
  if (environment['NOTIFY_SOCKET'] === undefined) return;
  const result = await runProgram(['systemd-notify', ...assignments], { environment });
  if (result.exitCode !== 0) log.warning(`systemd-notify ${assignments.join(' ')} failed: ${result.stderr.trim()}`);
}
