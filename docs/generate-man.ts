import { allCommands } from '../src/cli/all-commands.ts';
import type { CommandDeclaration, OptionDeclaration } from '../src/cli/command.ts';
import { walArchive } from '../src/cli/helpers/pgcellar-wal-archive.ts';
import { walRestore } from '../src/cli/helpers/pgcellar-wal-restore.ts';
import { usageOf } from '../src/cli/parse-arguments.ts';
import { globalOptionTable } from '../src/cli/parse-global-options.ts';
import { declarationOf, globalOptions, type OptionDeclaration as Setting, serverOptionNames } from '../src/config/options.ts';
import type { HelperDeclaration, HelperOption } from '../src/shipping/helper-arguments.ts';

/** A page as Markdown, with the name of its file. */
export interface ManPage {
  /** `pgcellar-backup.1.md`. */
  readonly file: string;
  readonly text: string;
}

const exitStatus = `## EXIT STATUS

* 0: all went well
* 1: something failed
* 2: wrong usage, or a critical \`check --nagios\`
* 3: a bad WAL name, or an output file of \`get-wal\` that cannot be written
`;

/** The manual pages: \`pgcellar\`(1), one for each verb and each helper, and \`pgcellar\`(5) for the configuration, from the program's own tables. */
export async function manPages(): Promise<readonly ManPage[]> {
  const declarations = await Promise.all(allCommands.map(({ load }) => load()));
  return [programPage(declarations), ...declarations.map(verbPage), archivePage(), restorePage(), configurationPage()];
}

function programPage(declarations: readonly CommandDeclaration[]): ManPage {
  const verbs = declarations.map(({ name, summary }) => item(`pgcellar-${name}(1)`, summary));
  const options = globalOptionTable.map(({ spellings, choices, takesValue, summary }) =>
    item(`${spellings.map(literal).join(', ')}${takesValue ? ` *${choices?.join('|') ?? 'FILE'}*` : ''}`, summary),
  );
  return page('pgcellar', 1, 'backup and recovery manager for PostgreSQL', [
    '## SYNOPSIS\n\n`pgcellar` [*global options*] *VERB* [*options*] ...\n',
    `## DESCRIPTION\n\nTakes base backups of PostgreSQL servers, receives their WAL continuously, keeps both in a catalog, and restores to any point in time. It reads and writes the configuration, the catalog and the command line of Barman 3.20.1.\n`,
    `## VERBS\n\n${verbs.join('\n')}`,
    `## GLOBAL OPTIONS\n\nThey stand before the verb.\n\n${options.join('\n')}`,
    exitStatus,
    '## FILES\n\n`~/.pgcellar.conf`, `/etc/pgcellar.conf`, `/etc/pgcellar/pgcellar.conf`, then those of Barman: the first that exists is read, unless `-c`, `PGCELLAR_CONFIG_FILE` or `BARMAN_CONFIG_FILE` names one.\n',
    '## SEE ALSO\n\npgcellar(5), pgcellar-wal-archive(1), pgcellar-wal-restore(1), pg_basebackup(1), pg_receivewal(1)\n',
  ]);
}

function verbPage(declaration: CommandDeclaration): ManPage {
  const { name, summary, aliases = [], options = [], arguments: others = [], examples = [] } = declaration;
  const also = aliases.length === 0 ? '' : ` Also: ${aliases.map(literal).join(', ')}.`;
  const parameters = others.map((argument) => item(`*${argument.name}*`, argument.summary));
  return page(`pgcellar-${name}`, 1, sentence(summary), [
    `## SYNOPSIS\n\n\`pgcellar ${name}\` ${escape(usageOf(declaration))}\n`,
    `## DESCRIPTION\n\n${escape(summary)}.${also}\n`,
    ...(parameters.length === 0 ? [] : [`## ARGUMENTS\n\n${parameters.join('\n')}`]),
    `## OPTIONS\n\n${[...options.map(optionItem), item('`-h`, `--help`', 'show this help and exit')].join('\n')}`,
    ...(examples.length === 0 ? [] : [`## EXAMPLES\n\n${examples.map((example) => `    pgcellar ${example}`).join('\n')}\n`]),
    exitStatus,
    '## SEE ALSO\n\npgcellar(1), pgcellar(5)\n',
  ]);
}

function archivePage(): ManPage {
  return helperPage('pgcellar-wal-archive', walArchive, {
    about:
      'PostgreSQL calls it once for each WAL segment that is complete. It sends the file through ssh to `put-wal` of the backup host, which may be pgcellar or Barman. Exit status 0 means that the file is on its disk; on any other PostgreSQL keeps the segment and calls again.',
    statuses: [
      '0: the backup host has the file on its disk',
      'another: it has not; 2 after wrong usage, else that of the backup host',
    ],
    example: "archive_command = 'pgcellar-wal-archive backup-host main %p'",
  });
}

function restorePage(): ManPage {
  return helperPage('pgcellar-wal-restore', walRestore, {
    about:
      'PostgreSQL calls it once for each WAL segment that it wants to replay. It fetches the file through ssh from `get-wal` of the backup host, which may be pgcellar or Barman, checks it, and puts it in place whole. PostgreSQL takes an exit status from 1 to 125 for the end of the archive, and one above 125 for a reason to stop.',
    statuses: [
      '0: the file is in place',
      '1: the archive has no such file; without `--strict` also other failures of the backup host',
      '2: the backup host cannot be reached, or wrong usage',
      '3: the destination cannot be written',
      'above 125: with `--strict`, every failure but a missing file',
    ],
    example: "restore_command = 'pgcellar-wal-restore --strict -p 4 backup-host main %f %p'",
  });
}

interface HelperWords {
  readonly about: string;
  readonly statuses: readonly string[];
  readonly example: string;
}

function helperPage(name: string, declaration: HelperDeclaration, { about, statuses, example }: HelperWords): ManPage {
  const places = declaration.positionals.map((word) => `*${escape(word)}*`).join(' ');
  return page(name, 1, sentence(declaration.summary), [
    `## SYNOPSIS\n\n\`${name}\` [*options*] ${places}\n`,
    `## DESCRIPTION\n\n${escape(about)}\n`,
    `## OPTIONS\n\n${declaration.options.map(helperOptionItem).join('\n')}`,
    `## EXAMPLE\n\nIn postgresql.conf:\n\n    ${example}\n`,
    `## EXIT STATUS\n\n${statuses.map((status) => `* ${escape(status)}\n`).join('')}`,
    '## SEE ALSO\n\npgcellar(1), pgcellar-put-wal(1), pgcellar-get-wal(1)\n',
  ]);
}

function helperOptionItem({ name, short, takesValue, metavar, summary }: HelperOption): string {
  const spellings = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].map(literal).join(', ');
  return item(`${spellings}${takesValue ? ` *${metavar ?? name.toUpperCase()}*` : ''}`, summary);
}

function optionItem({ name, short, aliases = [], kind, choices, metavar, summary }: OptionDeclaration): string {
  const spellings = [...(short === undefined ? [] : [`-${short}`]), `--${name}`, ...aliases].map(literal).join(', ');
  const value = choices?.join('|') ?? metavar ?? 'value';
  const shown = kind === 'flag' ? '' : kind === 'choice-or-bare' ? ` [*${value}*]` : ` *${value}*`;
  return item(`${spellings}${shown}`, summary);
}

function configurationPage(): ManPage {
  const global = Object.entries(globalOptions).map(([name, setting]) => settingItem(name, { scope: 'internal', ...setting }));
  const server = serverOptionNames
    .filter((name) => declarationOf(name).scope !== 'internal')
    .map((name) => settingItem(name, declarationOf(name)));
  return page('pgcellar', 5, 'configuration of pgcellar', [
    '## DESCRIPTION\n\nAn INI file in the dialect of Barman: `[pgcellar]` or `[barman]` is the global section, every other one is a server, or a model when it has `model = true`. A line that begins with `#` or `;` is a comment. Further files, `*.conf` of `configuration_files_directory`, are read in the order of their names.\n',
    `## GLOBAL OPTIONS\n\n${global.join('\n')}`,
    `## SERVER OPTIONS\n\n${server.join('\n')}`,
    '## EXAMPLE\n\n    [main]\n    conninfo = host=db1 user=pgcellar dbname=postgres\n    streaming_conninfo = host=db1 user=streaming_pgcellar\n    backup_method = postgres\n    streaming_archiver = on\n    slot_name = pgcellar\n    create_slot = auto\n',
    '## SEE ALSO\n\npgcellar(1)\n',
  ]);
}

function settingItem(name: string, { kind, summary, scope }: Pick<Setting, 'kind' | 'summary' | 'scope'>): string {
  const places = scope.startsWith('G') ? ' Also in the global section.' : '';
  return item(literal(name), `${kind.label}. ${summary}${places}`);
}

function page(name: string, section: 1 | 5, summary: string, parts: readonly string[]): ManPage {
  const heading = `# ${name}(${String(section)}) -- ${escape(summary)}\n`;
  return { file: `${name}.${String(section)}.md`, text: [heading, ...parts].join('\n') };
}

function item(term: string, summary: string): string {
  return `* ${term}:\n  ${escape(summary)}\n`;
}

function literal(text: string): string {
  return `\`${text}\``;
}

/** Words in angle brackets would be taken for HTML, and stars for emphasis; what stands between backquotes stays. */
function escape(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(/[*_]/g, String.raw`\$&`),
    )
    .join('');
}

function sentence(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
