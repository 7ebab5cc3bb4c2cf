import { allCommands, laterCommands } from './all-commands.ts';
import { globalOptionTable } from './parse-global-options.ts';

/** Help of the program: global options and verbs. */
export async function programHelp(programName: string): Promise<string> {
  const declarations = await Promise.all(allCommands.map(({ load }) => load()));
  const verbs = declarations.map(({ name, aliases = [], summary }) => row([name, ...aliases].join(', '), summary));
  const options = globalOptionTable.map(({ spellings, takesValue, choices, summary }) =>
    row(`${spellings.join(', ')}${takesValue ? ` ${choices?.join('|') ?? 'FILE'}` : ''}`, summary),
  );
  return [
    `usage: ${programName} [global options] VERB [options] ...`,
    '',
    'Backup and recovery manager for PostgreSQL.',
    '',
    'Verbs:',
    ...verbs,
    '',
    'Not available yet:',
    ...wrap(laterCommands),
    '',
    'Global options, before the verb:',
    ...options,
    '',
    `'${programName} help VERB' tells more about a verb.`,
    '',
  ].join('\n');
}

function row(left: string, right: string): string {
  return left.length > 32 ? `  ${left}\n${' '.repeat(36)}${right}` : `  ${left.padEnd(34)}${right}`;
}

function wrap(words: readonly string[]): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of words) {
    if (line.length + word.length > 98) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
