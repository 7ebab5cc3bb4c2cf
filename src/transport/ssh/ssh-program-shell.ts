import type { Environment } from '../../shared/environment.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { lastLines } from '../programs/program-result.ts';
import { startProgram } from '../programs/run-program.ts';
import type { RemoteShell } from './remote-shell.ts';
import { type SshCommand, sshArgv } from './ssh-command.ts';

/** The exit code of `ssh` for its own failures. */
const sshFailure = 255;

/** A shell through the operator's own command, a new connection for each remote command. */
export function sshProgramShell(command: SshCommand, environment: Environment): RemoteShell {
  return {
    isOpen: true,
    execute: async (line, { input, signal, onStdout }) => {
      const program = await startProgram([...sshArgv(command), line], {
        environment,
        ...(signal === undefined ? {} : { signal }),
      });
      program.stdout.on('data', onStdout);
      program.stdin.end(input);
      const { exitCode, signal: endedBy, stderr } = await program.ended;
      if (exitCode === sshFailure && signal?.aborted !== true) throw sshFailed(command.label, stderr);
      return { exitCode, signal: endedBy, stderr };
    },
    close: () => undefined,
  };
}

/** The error for a host that cannot be reached. */
export function sshFailed(label: string, said: string, cause?: unknown): OperatorError {
  return new OperatorError('ssh-failed', `cannot reach ${label} by ssh: ${lastLines(said, 2) || 'no reason given'}`, {
    hint: 'try the ssh_command by hand as the user that runs pgcellar; it must work without asking for anything',
    cause,
  });
}
