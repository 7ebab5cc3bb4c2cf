import { layOutUsage } from '../shared/lay-out-usage.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { voiceOf } from '../shared/voice.ts';

export interface HelperOption {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  readonly takesValue: boolean;
  readonly isNumber?: boolean;
  readonly metavar?: string;
  readonly summary: string;
}

export interface HelperDeclaration {
  readonly summary: string;
  readonly positionals: readonly string[];
  readonly options: readonly HelperOption[];
  /** The options in the usage line of Barman's parser. */
  readonly barmanOptions: readonly string[];
}

export interface HelperArguments {
  readonly positionals: readonly string[];
  /** Values by long name; flags are the empty text. In the order of the command line, so that the last one wins. */
  readonly options: ReadonlyMap<string, string>;
}

/**
 * Parses the command line of a helper that runs once per WAL segment: a small loop over its table, because a parser library would cost
 * more time than the rest of the start.
 * @throws OperatorError `usage`
 */
export function parseHelperArguments(
  argv: readonly string[],
  declaration: HelperDeclaration,
  programName: string,
): HelperArguments {
  const options = new Map<string, string>();
  const positionals: string[] = [];
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--') {
      positionals.push(...words.splice(0));
    } else if (word.startsWith('-') && word !== '-') {
      for (const [option, value] of readOption(word, words, declaration, programName)) {
        options.delete(option.name);
        options.set(option.name, value);
      }
    } else positionals.push(word);
  }
  if (options.has('help') || options.has('version')) return { positionals, options };
  const wanted = declaration.positionals;
  if (positionals.length < wanted.length) {
    throw usage(
      declaration,
      programName,
      `the following arguments are required: ${wanted.slice(positionals.length).join(', ')}`,
    );
  }
  if (positionals.length > wanted.length)
    throw usage(declaration, programName, `unrecognized arguments: ${positionals.slice(wanted.length).join(' ')}`);
  return { positionals, options };
}

/** Usage and options of a helper. */
export function helperHelp(declaration: HelperDeclaration, programName: string): string {
  const rows = declaration.options.map(({ name, short, takesValue, metavar, summary }) => {
    const value = takesValue ? ` ${metavar ?? name.toUpperCase()}` : '';
    return `  ${`${short === undefined ? '    ' : `-${short}, `}--${name}${value}`.padEnd(34)}${summary}`;
  });
  return [...usageLines(declaration, programName), '', declaration.summary, '', 'Options:', ...rows, ''].join('\n');
}

function readOption(
  word: string,
  words: string[],
  declaration: HelperDeclaration,
  programName: string,
): [HelperOption, string][] {
  const { options } = declaration;
  const fail = (message: string): never => {
    throw usage(declaration, programName, message);
  };
  const valueOf = (option: HelperOption, attached: string | undefined): string => {
    if (!option.takesValue)
      return attached === undefined ? '' : fail(`argument --${option.name}: ignored explicit argument '${attached}'`);
    const value = attached ?? words.shift();
    if (value === undefined) return fail(`argument --${option.name}: expected one argument`);
    if (option.isNumber === true && !/^[+-]?\d+$/.test(value))
      return fail(`argument --${option.name}: invalid int value: '${value}'`);
    return value;
  };
  const [, long, attached] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined) {
    const exact = options.filter(({ name }) => name === long);
    const meant = exact.length > 0 ? exact : options.filter(({ name }) => name.startsWith(long));
    const [option, another] = meant;
    if (option === undefined) return fail(`unrecognized arguments: ${word}`);
    if (another !== undefined)
      return fail(`ambiguous option: ${word} could match ${meant.map(({ name }) => `--${name}`).join(', ')}`);
    return [[option, valueOf(option, attached)]];
  }
  return readShortOptions(word.slice(1), { options, valueOf, fail });
}

interface ShortReading {
  readonly options: readonly HelperOption[];
  readonly valueOf: (option: HelperOption, attached: string | undefined) => string;
  readonly fail: (message: string) => never;
}

/** `-Pz` is two flags, `-p4` one with its value. */
function readShortOptions(letters: string, { options, valueOf, fail }: ShortReading): [HelperOption, string][] {
  const found: [HelperOption, string][] = [];
  for (let rest = letters; rest !== ''; rest = rest.slice(1)) {
    const option = options.find(({ short }) => short === rest.charAt(0));
    if (option === undefined) return fail(`unrecognized arguments: -${letters}`);
    if (option.takesValue) {
      found.push([option, valueOf(option, rest.length > 1 ? rest.slice(1) : undefined)]);
      return found;
    }
    found.push([option, '']);
  }
  return found;
}

function usageLines({ positionals, barmanOptions }: HelperDeclaration, programName: string): readonly string[] {
  if (voiceOf(programName) === 'own') return [`usage: ${programName} [options] ${positionals.join(' ')}`];
  return layOutUsage(programName, barmanOptions, positionals).split('\n');
}

function usage(declaration: HelperDeclaration, programName: string, message: string): OperatorError {
  return new OperatorError('usage', [...usageLines(declaration, programName), `${programName}: error: ${message}`]);
}
