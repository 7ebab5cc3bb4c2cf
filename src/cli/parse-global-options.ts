import { OperatorError } from '../shared/operator-error.ts';
import { barmanGlobalUsage } from './barman-usage.ts';

/** The options before the verb (docs/reference/cli.md section 1.1). */
export interface GlobalArguments {
  readonly configPath: string | undefined;
  readonly colour: 'never' | 'always' | 'auto';
  readonly logLevel: string | undefined;
  readonly isQuiet: boolean;
  readonly isDebug: boolean;
  readonly format: 'console' | 'json';
  readonly asksFor: 'help' | 'version' | undefined;
  /** Undefined when no verb was given. */
  readonly verb: string | undefined;
  /** The words after the verb. */
  readonly words: readonly string[];
}

interface GlobalOption {
  readonly spellings: readonly string[];
  readonly choices?: readonly string[];
  readonly takesValue: boolean;
  readonly key: 'config' | 'colour' | 'log-level' | 'quiet' | 'debug' | 'format' | 'help' | 'version';
  readonly summary: string;
}

/** The table of global options. */
export const globalOptionTable: readonly GlobalOption[] = [
  { key: 'help', spellings: ['-h', '--help'], takesValue: false, summary: 'show this help and exit' },
  { key: 'version', spellings: ['-v', '--version'], takesValue: false, summary: 'show the version and exit' },
  { key: 'config', spellings: ['-c', '--config'], takesValue: true, summary: 'configuration file' },
  {
    key: 'colour',
    spellings: ['--color', '--colour'],
    takesValue: true,
    choices: ['never', 'always', 'auto'],
    summary: 'whether to use colours in the output',
  },
  {
    key: 'log-level',
    spellings: ['--log-level'],
    takesValue: true,
    choices: ['NOTSET', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'],
    summary: 'override the log level of the configuration',
  },
  { key: 'quiet', spellings: ['-q', '--quiet'], takesValue: false, summary: 'be quiet' },
  { key: 'debug', spellings: ['-d', '--debug'], takesValue: false, summary: 'show debug messages' },
  { key: 'format', spellings: ['-f', '--format'], takesValue: true, choices: ['console', 'json'], summary: 'output format' },
];

/** Reads the words up to the verb. @throws OperatorError `usage` */
export function parseGlobalOptions(argv: readonly string[], programName: string): GlobalArguments {
  const found = new Map<GlobalOption['key'], string>();
  let position = 0;
  while (position < argv.length) {
    const word = argv[position] ?? '';
    if (!word.startsWith('-') || word === '-') break;
    position++;
    const { option, value } = recognise(word, programName);
    if (!option.takesValue) {
      found.set(option.key, '');
      continue;
    }
    const given = value ?? argv[position++];
    if (given === undefined) throw usage(programName, `argument ${option.spellings.join('/')}: expected one argument`);
    if (option.choices?.includes(given) === false) {
      throw usage(
        programName,
        `argument ${option.spellings.join('/')}: invalid choice: '${given}' (choose from ${option.choices.map((word) => `'${word}'`).join(', ')})`,
      );
    }
    found.set(option.key, given);
  }
  return {
    configPath: found.get('config'),
    colour: wordOf(found.get('colour'), ['never', 'always', 'auto'], 'auto'),
    logLevel: found.get('log-level'),
    isQuiet: found.has('quiet'),
    isDebug: found.has('debug'),
    format: wordOf(found.get('format'), ['console', 'json'], 'console'),
    asksFor: found.has('help') ? 'help' : found.has('version') ? 'version' : undefined,
    verb: argv[position],
    words: argv.slice(position + 1),
  };
}

function recognise(word: string, programName: string): { option: GlobalOption; value: string | undefined } {
  const short = /^-([a-z])(.*)$/s.exec(word);
  if (short !== null) {
    const [, letter = '', rest = ''] = short;
    const option = globalOptionTable.find(({ spellings }) => spellings.includes(`-${letter}`));
    if (option !== undefined && (option.takesValue || rest === '')) return { option, value: rest === '' ? undefined : rest };
  }
  const [, name, value] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  const matches =
    name === undefined
      ? []
      : globalOptionTable.filter(({ spellings }) => spellings.some((spelling) => spelling.startsWith(name)));
  const exact = matches.find(({ spellings }) => name !== undefined && spellings.includes(name));
  const [option, another] = exact === undefined ? matches : [exact];
  if (option === undefined) throw usage(programName, `unrecognized arguments: ${word}`);
  if (another !== undefined) throw usage(programName, `ambiguous option: ${word}`);
  return { option, value };
}

/** The usage line before a mistake in front of the verb, or in the verb itself. */
export function globalUsage(programName: string): string {
  return barmanGlobalUsage(programName) ?? `usage: ${programName} [-h] [-v] [-c FILE] [-q] [-d] [-f console|json] VERB ...`;
}

/** The error for wrong usage before the verb. */
function usage(programName: string, message: string): OperatorError {
  return new OperatorError('usage', [...globalUsage(programName).split('\n'), `${programName}: error: ${message}`]);
}

function wordOf<const W extends string>(word: string | undefined, words: readonly W[], otherwise: NoInfer<W>): W {
  return words.find((known) => known === word) ?? otherwise;
}
