import { allCommands, laterCommands } from '../src/cli/all-commands.ts';
import type { CommandDeclaration, OptionDeclaration } from '../src/cli/command.ts';
import { helpOf } from '../src/cli/parse-arguments.ts';
import { globalOptionTable } from '../src/cli/parse-global-options.ts';

const introduction = `# Commands

This page is made from the tables in \`src/cli\` by \`npm run docs\`; do not edit it.

\`pgcellar [global options] VERB [options] …\`: global options stand before the verb. Long options may be abbreviated as long as that
is unambiguous; of repeated options the last one wins. \`SERVER…\` takes several names, or \`all\`. A backup is named by its id, its name,
or by \`latest\`, \`oldest\`, \`latest-full\` or \`last-failed\`.

Exit codes: 0 all went well; 1 something failed; 2 wrong usage, or a critical \`check --nagios\`; 3 a bad WAL name or an output file of
\`get-wal\` that cannot be written. \`docs/errors.md\` lists every error.
`;

/** The reference of all verbs as Markdown, from the tables that the program runs on. */
export async function commandReference(): Promise<string> {
  const declarations = await Promise.all(allCommands.map(({ load }) => load()));
  const parts = [
    introduction,
    '## Global options\n',
    table(
      globalOptionTable.map(({ spellings, choices, takesValue, summary }) => [
        code(spellings, takesValue ? (choices?.join('|') ?? 'FILE') : ''),
        summary,
      ]),
    ),
    ...declarations.map(commandSection),
    `## Not available yet\n\nThe reference has these verbs too; asked for, they say that they are not there: ${laterCommands.map((name) => `\`${name}\``).join(', ')}.\n`,
  ];
  return parts.join('\n');
}

function commandSection(declaration: CommandDeclaration): string {
  const { name, aliases = [], summary, options = [], examples = [] } = declaration;
  const usage = /^Usage: (.*)$/m.exec(helpOf(declaration, 'pgcellar'))?.[1] ?? '';
  const also = aliases.length === 0 ? '' : ` Also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`;
  const shown =
    examples.length === 0 ? '' : `\n\`\`\`sh\n${examples.map((example) => `pgcellar ${example}`).join('\n')}\n\`\`\`\n`;
  const listed = options.length === 0 ? '' : `\n${table(options.map(optionRow))}`;
  return `## ${name}\n\n${summary}.${also}\n\n\`${usage}\`\n${listed}${shown}`;
}

function optionRow({ name, short, aliases = [], kind, choices, metavar, summary }: OptionDeclaration): [string, string] {
  const value = kind === 'flag' ? '' : (choices?.join('|') ?? metavar ?? 'value');
  const spellings = [...(short === undefined ? [] : [`-${short}`]), `--${name}`, ...aliases];
  return [code(spellings, kind === 'choice-or-bare' ? `[${value}]` : value), summary];
}

function code(spellings: readonly string[], value: string): string {
  return `\`${[spellings.join(', '), value]
    .filter((part) => part !== '')
    .join(' ')
    .replaceAll('|', '\\|')}\``;
}

function table(rows: readonly (readonly [string, string])[]): string {
  return `| Option | Meaning |\n| --- | --- |\n${rows.map(([left, right]) => `| ${left} | ${right} |`).join('\n')}\n`;
}
