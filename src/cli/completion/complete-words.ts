import type { CommandDeclaration, ListedCommand, OptionDeclaration } from '../command.ts';
import { globalOptionTable } from '../parse-global-options.ts';

/** One word that may stand where the cursor is. */
export interface Candidate {
  readonly word: string;
  readonly summary: string;
}

/** Names that only the configuration and the catalog know. */
export interface LiveNames {
  readonly servers: () => Promise<readonly Candidate[]>;
  /** Backups of a server, newest first. */
  readonly backups: (server: string) => Promise<readonly Candidate[]>;
}

const fixedArguments: Readonly<Record<string, readonly string[]>> = {
  shell: ['bash', 'zsh', 'fish'],
  task: ['archive-wal', 'backup', 'cron', 'receive-wal', 'sync-backup', 'sync-wal'],
};
const backupShortcuts: readonly Candidate[] = [
  { word: 'latest', summary: 'the newest backup' },
  { word: 'oldest', summary: 'the oldest backup' },
  { word: 'latest-full', summary: 'the newest full backup' },
  { word: 'last-failed', summary: 'the newest failed backup' },
];

/**
 * The completions of the last word, from the tables that the parser works with; none where the shell should offer files.
 * @param words after the program's name; the last one is being typed, and may be empty
 */
export async function completeWords(
  words: readonly string[],
  live: LiveNames,
  commands: readonly ListedCommand[],
): Promise<readonly Candidate[]> {
  const typed = words.at(-1) ?? '';
  const candidates = await candidatesFor(words.slice(0, -1), typed, live, commands);
  return candidates.filter(({ word }) => word.startsWith(typed));
}

async function candidatesFor(
  before: readonly string[],
  typed: string,
  live: LiveNames,
  commands: readonly ListedCommand[],
): Promise<readonly Candidate[]> {
  const { verb, rest, pendingChoices } = readGlobals(before);
  if (pendingChoices !== undefined) return pendingChoices.map(plain);
  if (verb === undefined) return typed.startsWith('-') ? globalCandidates() : await verbCandidates(commands);
  if (verb === 'help') return rest.length === 0 ? await verbCandidates(commands) : [];
  const declaration = await commands.find(({ name, aliases }) => name === verb || aliases.includes(verb))?.load();
  return declaration === undefined ? [] : await ofCommand(declaration, rest, typed, live);
}

interface BeforeVerb {
  readonly verb: string | undefined;
  readonly rest: readonly string[];
  /** The word being typed is the value of a global option; its choices, or none for a file. */
  readonly pendingChoices: readonly string[] | undefined;
}

function readGlobals(words: readonly string[]): BeforeVerb {
  let position = 0;
  for (; position < words.length; position++) {
    const word = words[position] ?? '';
    if (!word.startsWith('-')) return { verb: word, rest: words.slice(position + 1), pendingChoices: undefined };
    const option = globalOptionTable.find(({ spellings }) => spellings.includes(word));
    if (option?.takesValue !== true) continue;
    position++;
    if (position === words.length) return { verb: undefined, rest: [], pendingChoices: option.choices ?? [] };
  }
  return { verb: undefined, rest: [], pendingChoices: undefined };
}

async function ofCommand(
  declaration: CommandDeclaration,
  rest: readonly string[],
  typed: string,
  live: LiveNames,
): Promise<readonly Candidate[]> {
  const { options = [] } = declaration;
  const pending = optionNamed(options, rest.at(-1));
  if (pending !== undefined && pending.kind !== 'flag' && pending.kind !== 'choice-or-bare')
    return (pending.choices ?? []).map(plain);
  if (typed.startsWith('-')) return optionCandidates(options);
  const positionals = positionalsIn(rest, options);
  return await ofPosition(declaration, positionals, live);
}

function positionalsIn(words: readonly string[], options: readonly OptionDeclaration[]): readonly string[] {
  return words.filter((word, index) => {
    if (word.startsWith('-')) return false;
    const before = optionNamed(options, words[index - 1]);
    return before === undefined || before.kind === 'flag' || before.kind === 'choice-or-bare';
  });
}

async function ofPosition(
  { servers, arguments: others = [] }: CommandDeclaration,
  positionals: readonly string[],
  live: LiveNames,
): Promise<readonly Candidate[]> {
  if (servers === 'many') {
    const all = positionals.length === 0 ? [{ word: 'all', summary: 'every server' }] : [];
    return [...(await live.servers()).filter(({ word }) => !positionals.includes(word)), ...all];
  }
  const [server = ''] = positionals;
  if (servers === 'one' && positionals.length === 0) return await live.servers();
  const argument = others[positionals.length - (servers === 'one' ? 1 : 0)];
  if (argument?.name === 'backup_id') return [...(await live.backups(server)), ...backupShortcuts];
  return (fixedArguments[argument?.name ?? ''] ?? []).map(plain);
}

function optionNamed(options: readonly OptionDeclaration[], word: string | undefined): OptionDeclaration | undefined {
  if (word?.startsWith('-') !== true || word.includes('=')) return undefined;
  return options.find(
    ({ name, short, aliases = [] }) => `--${name}` === word || `-${short ?? ''}` === word || aliases.includes(word),
  );
}

function optionCandidates(options: readonly OptionDeclaration[]): readonly Candidate[] {
  const own = options.map(({ name, summary }) => ({ word: `--${name}`, summary }));
  return [...own, { word: '--help', summary: 'show this help and exit' }];
}

function globalCandidates(): readonly Candidate[] {
  return globalOptionTable.flatMap(({ spellings, summary }) => spellings.map((word) => ({ word, summary })));
}

async function verbCandidates(commands: readonly ListedCommand[]): Promise<readonly Candidate[]> {
  const declarations = await Promise.all(commands.map(({ load }) => load()));
  const verbs = declarations.map(({ name, summary }) => ({ word: name, summary }));
  return [...verbs, { word: 'help', summary: 'show the help of a verb' }];
}

function plain(word: string): Candidate {
  return { word, summary: '' };
}
