import { type Argument, Command, CommanderError, Option } from 'commander';
import { joined } from '../shared/messages.ts';
import { nearestWord } from '../shared/nearest-word.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { spoken, voiceOf } from '../shared/voice.ts';
import { barmanGlobalUsage, barmanUsage } from './barman-usage.ts';
import { type CommandDeclaration, type OptionDeclaration, OptionValues } from './command.ts';

export interface ParsedArguments {
  readonly options: OptionValues;
  /** All positional arguments, servers first. */
  readonly positionals: readonly string[];
}

/** The command line asks for the help of the verb, which is this text. */
export class HelpWanted {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Parses the words after a verb (docs/reference/cli.md section 1.1): long options may be abbreviated as long as that is unambiguous, options and
 * positionals may be mixed, of repeated options the last one wins.
 * @throws OperatorError `usage`, with the usage line before the message
 */
export function parseArguments(
  words: readonly string[],
  declaration: CommandDeclaration,
  programName: string,
): ParsedArguments | HelpWanted {
  const command = commandOf(declaration, programName);
  const values = new Map<string, unknown>();
  const declared = declaration.options ?? [];
  for (const option of declared) {
    command.on(`option:${option.name}`, (value: unknown) => {
      store(values, option, value);
    });
  }
  try {
    const expanded = expandOptions(words, declared);
    refuseMissingValue(expanded, declared);
    command.parse(expanded, { from: 'user' });
  } catch (error) {
    const verb = `${programName} ${declaration.name}`;
    if (error instanceof CommanderError) {
      if (error.code === 'commander.helpDisplayed' || error.code === 'commander.help')
        return new HelpWanted(helpOf(declaration, programName));
      if (error.code === 'commander.missingArgument') throw usageError(declaration, programName, missingArguments(command));
      if (voiceOf(programName) === 'barman') throw mistakeAsBarman(error, { words, declaration, programName, command });
      throw usageError(declaration, programName, `${error.message.replace(/^error: /, '')}${suggestionFor(words, declared)}`);
    }
    if (error instanceof OperatorError && error.code === 'usage' && !error.message.startsWith('usage:')) {
      throw usageError(declaration, programName, joined(spoken(error.message, error, voiceOf(programName)) ?? error.message));
    }
    throw error instanceof Error ? error : new Error(`${verb}: ${String(error)}`);
  }
  return { options: new OptionValues(values), positionals: command.args };
}

interface Parsed {
  readonly words: readonly string[];
  readonly declaration: CommandDeclaration;
  readonly programName: string;
  readonly command: Command;
}

/**
 * Barman's parser looks for arguments that are missing before it minds words that nothing takes, and those are a mistake of the whole
 * command line.
 */
function mistakeAsBarman(error: CommanderError, { words, declaration, programName, command }: Parsed): OperatorError {
  const declared = declaration.options ?? [];
  if (error.code === 'commander.optionMissingArgument') {
    const name = /--([\w-]+)/.exec(error.message)?.[1] ?? '';
    const option = declared.find((candidate) => candidate.name === name);
    return usageError(
      declaration,
      programName,
      `${option === undefined ? name : nameInMistakes(option)}: expected one argument`,
    );
  }
  const unknown = error.code === 'commander.unknownOption' ? unknownOptions(words, declared) : [];
  let excess = excessOf(command, words);
  if (unknown.length > 0) {
    const known = commandOf(declaration, programName);
    try {
      known.parse(
        expandOptions(words, declared).filter((word) => !unknown.includes(word)),
        { from: 'user' },
      );
    } catch (other) {
      if (!(other instanceof CommanderError)) throw other;
      if (other.code === 'commander.missingArgument') return usageError(declaration, programName, missingArguments(known));
    }
    excess = excessOf(known, words);
  }
  const leftOver = expandOptions(words, declared).filter((word) => unknown.includes(word) || excess.includes(word));
  const usage = barmanGlobalUsage(programName) ?? '';
  return new OperatorError('usage', [
    ...usage.split('\n'),
    `${programName}: error: unrecognized arguments: ${leftOver.join(' ')}`,
  ]);
}

/** Arguments that nothing takes; to Barman's parser names of servers stand side by side, and an option ends them. */
function excessOf({ args, registeredArguments }: Command, words: readonly string[]): readonly string[] {
  if (registeredArguments.at(-1)?.variadic !== true) return args.slice(registeredArguments.length);
  const start = words.indexOf(args[0] ?? '');
  const sideBySide = args.filter((arg, index) => words[start + index] === arg).length;
  return args.slice(Math.max(registeredArguments.length, sideBySide));
}

/** An option where the value of another one should stand; a value that begins with a dash is written behind `=`. */
function refuseMissingValue(words: readonly string[], declared: readonly OptionDeclaration[]): void {
  for (const [index, word] of words.entries()) {
    if (word === '--') return;
    const option = declared.find(({ name, short }) => word === `--${name}` || word === `-${short ?? name}`);
    const next = words[index + 1];
    if (option === undefined || option.kind === 'flag' || option.kind === 'choice-or-bare' || next === undefined) continue;
    if (!/^-[^\s]+$/.test(next) || /^-\d*\.?\d+$/.test(next)) continue;
    const own = `--${option.name} has no value; write --${option.name}=${next} for one that begins with a dash`;
    throw wrong(own, `${nameInMistakes(option)}: expected one argument`);
  }
}

function unknownOptions(words: readonly string[], declared: readonly OptionDeclaration[]): readonly string[] {
  const known = ['-h', '--help', ...declared.flatMap(({ name, short }) => [`--${name}`, `-${short ?? name}`])];
  return expandOptions(words, declared).filter((word) => /^-./.test(word) && !known.includes(word.split('=')[0] ?? ''));
}

/** All that are missing, in the words that Barman has for them. */
function missingArguments({ registeredArguments, args }: Command): string {
  const missing = registeredArguments.slice(args.length).filter(({ required }) => required);
  return `the following arguments are required: ${missing.map((argument) => argument.name()).join(', ')}`;
}

/** Help of one verb. */
export function helpOf(declaration: CommandDeclaration, programName: string): string {
  const command = commandOf(declaration, programName);
  const examples = declaration.examples ?? [];
  const shown =
    examples.length === 0 ? '' : `\nExamples:\n${examples.map((example) => `  ${programName} ${example}`).join('\n')}\n`;
  return `${command.helpInformation()}${shown}`;
}

/** The words of the usage line: `[options] <server_name...> <backup_id>`. */
export function usageOf(declaration: CommandDeclaration): string {
  return commandOf(declaration, '').usage();
}

function commandOf(declaration: CommandDeclaration, programName: string): Command {
  const command = new Command(`${programName} ${declaration.name}`.trim());
  command.description(declaration.summary).exitOverride().allowExcessArguments(false).showSuggestionAfterError(false);
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  command.helpOption('-h, --help', 'show this help and exit');
  if (declaration.servers === 'one') command.argument('<server_name>', 'server to work on');
  const others = declaration.arguments ?? [];
  for (const { name, summary, isOptional, isRepeatable } of others) {
    const word = isRepeatable === true ? `${name}...` : name;
    command.argument(isOptional === true ? `[${word}]` : `<${word}>`, summary);
  }
  if (declaration.servers === 'many') command.argument('<server_name...>', "servers to work on, or 'all'");
  for (const option of declaration.options ?? []) command.addOption(optionOf(option));
  return command;
}

function optionOf(option: OptionDeclaration): Option {
  const metavar = option.metavar ?? (option.choices === undefined ? 'value' : option.choices.join('|'));
  const value = option.kind === 'flag' ? '' : option.kind === 'choice-or-bare' ? ` [${metavar}]` : ` <${metavar}>`;
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const spellings = option.aliases === undefined ? '' : ` (also ${option.aliases.join(', ')})`;
  return new Option(`${short}--${option.name}${value}`, `${option.summary}${spellings}`);
}

function store(values: Map<string, unknown>, option: OptionDeclaration, raw: unknown): void {
  const value =
    option.kind === 'flag' ? (option.flagValue ?? true) : readValue(option, typeof raw === 'string' ? raw : undefined);
  const place = option.sharesWith ?? option.name;
  if (!option.isRepeatable) values.set(place, value);
  else values.set(place, [...((values.get(place) as unknown[] | undefined) ?? []), value]); // only this line writes repeatable ones
}

function readValue(option: OptionDeclaration, text: string | undefined): unknown {
  if (text === undefined) return option.bareValue ?? option.choices?.[0];
  const name = nameInMistakes(option);
  if (option.kind === 'count' && !/^\d+$/.test(text)) throw wrong(`${name}: '${text}' is not a valid non negative integer`);
  if (option.kind === 'positive' && !/^0*[1-9]\d*$/.test(text))
    throw wrong(`${name}: ${notPositive(text)}`, asBarmanOf(text, name));
  if (option.choices !== undefined && !option.choices.includes(text)) {
    const choices = option.choices.map((word) => `'${word}'`).join(', ');
    const asBarman = option.wrongChoiceAsBarman?.(text);
    throw wrong(
      `${name}: invalid choice: '${text}' (choose from ${choices})`,
      asBarman === undefined ? undefined : `${name}: ${asBarman}`,
    );
  }
  if (option.parse !== undefined) return parsed(option.parse, text, name);
  return option.kind === 'count' || option.kind === 'positive' ? Number(text) : text;
}

function parsed(parse: (text: string) => unknown, text: string, name: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    throw wrong(`${name}: ${error.message}`, typeof error.asBarman === 'string' ? `${name}: ${error.asBarman}` : undefined);
  }
}

/** As Barman writes it: `argument --jobs/-j`. */
function nameInMistakes({ name, short }: OptionDeclaration): string {
  return `argument --${name}${short === undefined ? '' : `/-${short}`}`;
}

function notPositive(text: string): string {
  return `'${text}' is not a valid positive integer`;
}

/** Barman's text about a text that is no number at all. */
function asBarmanOf(text: string, name: string): string | undefined {
  return /^[+-]?\d+$/.test(text) ? undefined : `${name}: '${text}' is not a valid input`;
}

/** Abbreviations become whole names, further spellings the one that the parser knows. */
function expandOptions(words: readonly string[], declared: readonly OptionDeclaration[]): string[] {
  const end = words.indexOf('--');
  const head = end === -1 ? words : words.slice(0, end);
  return [...head.map((word) => expandOption(word, declared)), ...(end === -1 ? [] : words.slice(end))];
}

function expandOption(word: string, declared: readonly OptionDeclaration[]): string {
  const alias = declared.find(({ aliases }) => aliases?.includes(word) === true);
  if (alias !== undefined) return `--${alias.name}`;
  const [, typed, rest = ''] = /^--([^=]+)(=.*)?$/s.exec(word) ?? [];
  if (typed === undefined) return word;
  const spellings = [
    ...declared.flatMap(({ name, aliases = [] }) => [
      name,
      ...aliases.filter((a) => a.startsWith('--')).map((a) => a.slice(2)),
    ]),
    'help',
  ];
  if (spellings.includes(typed)) return `--${canonical(typed, declared)}${rest}`;
  const meant = spellings.filter((name) => name.startsWith(typed));
  const names = new Set(meant.map((name) => canonical(name, declared)));
  if (names.size > 1) throw wrong(`ambiguous option: --${typed} could match ${meant.map((name) => `--${name}`).join(', ')}`);
  const [only] = names;
  return only === undefined ? word : `--${only}${rest}`;
}

function canonical(spelling: string, declared: readonly OptionDeclaration[]): string {
  return declared.find(({ aliases }) => aliases?.includes(`--${spelling}`) === true)?.name ?? spelling;
}

/** `; did you mean --wait?` for an option that nobody knows. */
function suggestionFor(words: readonly string[], declared: readonly OptionDeclaration[]): string {
  const names = declared.map(({ name }) => `--${name}`);
  const typed = words.map((word) => word.split('=')[0] ?? '').filter((word) => word.length > 3 && word.startsWith('--'));
  const unknown = typed.find((word) => !names.some((name) => name.startsWith(word)));
  const meant = unknown === undefined ? undefined : nearestWord(unknown, names);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

function usageError(declaration: CommandDeclaration, programName: string, message: string): OperatorError {
  const positionals = commandOf(declaration, '').registeredArguments.map((argument) => positionalWord(argument));
  const usage =
    barmanUsage(programName, declaration.name, positionals) ??
    `usage: ${programName} ${declaration.name} ${usageOf(declaration)}`;
  return new OperatorError('usage', [...usage.split('\n'), `${programName} ${declaration.name}: error: ${message}`]);
}

function positionalWord(argument: Argument): string {
  const name = argument.name();
  if (argument.variadic) return `${name} [${name} ...]`;
  return argument.required ? name : `[${name}]`;
}

function wrong(message: string, asBarman?: string): OperatorError {
  return new OperatorError('usage', message, { asBarman });
}
