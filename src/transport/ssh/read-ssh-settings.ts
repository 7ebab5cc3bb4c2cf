import type { Environment } from '../../shared/environment.ts';
import { runProgram } from '../programs/run-program.ts';
import type { SshCommand } from './ssh-command.ts';
import { parseSshSettings, type SshSettings } from './ssh-settings.ts';

/** The settings of OpenSSH for a command (`ssh -G`); undefined when it is not plain, or `ssh` refuses it. */
export async function readSshSettings(command: SshCommand, environment: Environment): Promise<SshSettings | undefined> {
  if (!command.isPlain) return undefined;
  const [ssh = 'ssh', ...words] = command.words;
  const result = await runProgram([ssh, '-G', ...words], { environment });
  return result.exitCode === 0 ? parseSshSettings(result.stdout) : undefined;
}
