import type { Server } from '../config/server.ts';
import { type OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { readSshSettings } from '../transport/ssh/read-ssh-settings.ts';
import { parseSshCommand } from '../transport/ssh/ssh-command.ts';
import { filesOf } from '../transport/ssh/ssh-files.ts';
import { settingOf } from '../transport/ssh/ssh-settings.ts';
import { mendedBy, type NamedRemedy } from './remedies.ts';

/** The remedy for an `ssh_command` that leads nowhere, by the code of the failure. */
export async function sshRemedy({ config, environment }: Server, error: OperatorError): Promise<NamedRemedy> {
  const { ssh_command: command = '' } = config.options;
  const settings = await readSshSettings(parseSshCommand(command), environment);
  const [knownHosts] = settings === undefined ? [] : filesOf(settings, 'userknownhostsfile');
  const address = settings === undefined ? undefined : settingOf(settings, 'hostname');
  if (settings === undefined || address === undefined) return mendedBy('ssh-fails', { command });
  const port = settingOf(settings, 'port') ?? '22';
  if (error.code === 'ssh-host-unknown' && knownHosts !== undefined) {
    return mendedBy('ssh-host-unknown', { address, port, knownHosts });
  }
  return systemCodeOf(error.cause) === 'ECONNREFUSED'
    ? mendedBy('ssh-not-listening', { address, port })
    : mendedBy('ssh-fails', { command });
}
