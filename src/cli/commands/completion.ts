import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand } from '../command.ts';

export const completionCommand = declareCommand({
  name: 'completion',
  summary: 'Print the script that lets bash, zsh or fish complete verbs, options, servers and backups',
  servers: 'none',
  arguments: [{ name: 'shell', summary: 'bash, zsh or fish' }],
  examples: ['completion bash', 'completion zsh', 'completion fish'],
  async runEarly({ positionals: [wanted = ''], programName, print }) {
    const { completedShells, completionScript } = await import('../completion/completion-script.ts');
    const shell = completedShells.find((known) => known === wanted);
    if (shell === undefined) {
      throw new OperatorError('usage', `there is no completion for '${wanted}'; choose from ${completedShells.join(', ')}`);
    }
    print(completionScript(shell, programName));
  },
});
