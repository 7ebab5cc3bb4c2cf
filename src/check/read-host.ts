import { methodOf } from '../config/backup-methods.ts';
import type { Server } from '../config/server.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import { remoteHost } from '../transport/hosts/remote-host.ts';
import type { Attempt, HostAnswer } from './check.ts';
import { mendedBy } from './remedies.ts';
import { sshRemedy } from './ssh-remedy.ts';

/** Runs `true` on the host of a server, over the connection that the caller has, if any; undefined when backups need no ssh. */
export async function readHost(server: Server, open?: Host): Promise<Attempt<HostAnswer> | undefined> {
  const { config, environment } = server;
  const { ssh_command: sshCommand } = config.options;
  if (sshCommand === undefined || !methodOf(config.options).usesSsh) return undefined;
  try {
    await using own = open === undefined ? remoteHost({ sshCommand, environment }) : undefined;
    const host = own ?? open;
    if (host === undefined) return undefined;
    const { exitCode, stdout, stderr } = await host.run(['true']);
    if (exitCode === 0) return { kind: 'ok', value: { output: `${stdout}${stderr}` } };
    const remedy = mendedBy('ssh-fails', { command: sshCommand });
    return { kind: 'failed', reason: `the command true ended with ${String(exitCode)} on ${host.label}`, remedy };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { kind: 'failed', reason: error.message, remedy: await sshRemedy(server, error) };
  }
}
