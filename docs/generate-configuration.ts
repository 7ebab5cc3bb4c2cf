import {
  declarationOf,
  type GlobalOptionName,
  globalOptions,
  type LaterFeature,
  type OptionDeclaration,
  type OptionScope,
  serverOptionNames,
} from '../src/config/options.ts';

const scopeWords: Readonly<Record<OptionScope, string>> = {
  GSM: 'global, server, model',
  SM: 'server, model',
  GS: 'global, server',
  S: 'server',
  internal: 'nowhere',
};

const introduction = `# Configuration

This page is made from the table in \`src/config/options.ts\` by \`npm run docs\`; do not edit it.

The main file is the file of \`-c\`, \`PGCELLAR_CONFIG_FILE\` or \`BARMAN_CONFIG_FILE\`, or else the first existing one of
\`~/.pgcellar.conf\`, \`/etc/pgcellar.conf\`, \`/etc/pgcellar/pgcellar.conf\`, \`~/.barman.conf\`, \`/etc/barman.conf\` and
\`/etc/barman/barman.conf\`. The \`*.conf\` files of \`configuration_files_directory\` follow, in the order of their names, and then
\`.barman.auto.conf\` in \`barman_home\`.

- \`[barman]\` (or \`[pgcellar]\`, never both) is the global section; every other section is a server, or a model when it has
  \`model = true\` and a \`cluster\`.
- An option is taken from the active model, else from the server's section, else from the global section where the table says
  *global*, else it has its default.
- An empty value, or \`None\`, unsets a text, a path, a command, a set or a list, and hides the global value; it counts as missing
  for a size or an interval; for everything else it is invalid.
- An invalid value is reported with its file and line, and counts as missing. An unknown option is reported and ignored.
- \`#\` and \`;\` begin a comment at the beginning of a line only. \`%(option)s\` is another option of the same section; a literal
  \`%\` that Barman must be able to read too is written \`%%%%\`.
- *Not available yet* marks options that pgcellar reads and checks, but does not support yet. No option is ignored silently: the affected command
  reports that it continues without the option, or refuses.
`;

/** The page docs/configuration.md: every option of the table with its place, type, default and meaning. */
export function configurationReference(): string {
  const server = serverOptionNames.map((key) => row(key, declarationOf(key), scopeWords[declarationOf(key).scope]));
  const global = globalNames().map((key) => row(key, globalOptions[key], 'global'));
  return [introduction, section('Global options', global), section('Server options', server)].join('\n');
}

type Declaration = Omit<OptionDeclaration, 'scope'>;

function globalNames(): readonly GlobalOptionName[] {
  return Object.keys(globalOptions).toSorted() as GlobalOptionName[]; // the keys of that very object
}

function section(title: string, rows: readonly string[]): string {
  const head = ['| Option | Where | Type | Default | Meaning |', '| --- | --- | --- | --- | --- |'];
  return `## ${title}\n\n${[...head, ...rows].join('\n')}\n`;
}

function row(key: string, declaration: Declaration, where: string): string {
  const meaning = [declaration.summary, laterText(declaration.later)].filter((text) => text !== '').join(' ');
  const cells = [`\`${key}\``, where, declaration.kind.label, defaultText(declaration), meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultText(declaration: Declaration): string {
  if (declaration.defaultText !== undefined) return declaration.defaultText;
  switch (typeof declaration.default) {
    case 'boolean':
      return declaration.default ? '`true`' : '`false`';
    case 'string':
    case 'number':
      return `\`${String(declaration.default)}\``;
    default:
      return 'unset';
  }
}

function laterText(later: LaterFeature | undefined): string {
  if (later === undefined) return '';
  const what = later.values === undefined ? '' : ` (${later.values.map((value) => `\`${value}\``).join(', ')})`;
  const work = later.work.join(', ');
  const consequence = later.ignoring === 'warn' ? `${work} continues without it and reports that` : `${work} refuses`;
  return `*Not available yet${what}: ${consequence}.*`;
}
