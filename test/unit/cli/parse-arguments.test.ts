import { expect, test } from 'vitest';
import type { CommandDeclaration, OptionDeclaration } from '../../../src/cli/command.ts';
import { HelpWanted, helpOf, type ParsedArguments, parseArguments } from '../../../src/cli/parse-arguments.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';

const options: readonly OptionDeclaration[] = [
  { name: 'nagios', kind: 'flag', summary: 'one line' },
  { name: 'name', kind: 'text', summary: 'a name' },
  { name: 'jobs', short: 'j', kind: 'positive', summary: 'how many', aliases: ['--parallel'] },
  { name: 'retry-times', kind: 'count', summary: 'how often' },
  { name: 'no-retry', kind: 'flag', sharesWith: 'retry-times', flagValue: 0, summary: 'never' },
  { name: 'gzip', short: 'z', kind: 'flag', summary: 'compress', aliases: ['-x'] },
  { name: 'wait', short: 'w', kind: 'flag', summary: 'wait' },
  { name: 'no-wait', kind: 'flag', sharesWith: 'wait', flagValue: false, summary: 'do not wait' },
  { name: 'target', kind: 'choice', choices: ['full', 'standalone'], summary: 'what' },
  { name: 'check', kind: 'choice-or-bare', choices: ['yes', 'no'], summary: 'how' },
  { name: 'tablespace', kind: 'text', isRepeatable: true, metavar: 'NAME:LOCATION', summary: 'where' },
  {
    name: 'size',
    kind: 'text',
    summary: 'how large',
    parse: (text) => {
      if (text === '') throw new OperatorError('usage', 'argument --size: use a size');
      return text.length;
    },
  },
];

const command: CommandDeclaration = {
  name: 'try',
  summary: 'Tries it',
  servers: 'one',
  arguments: [{ name: 'backup_id', summary: 'backup' }],
  options,
  examples: ['try main latest'],
  run: () => Promise.resolve(),
};

function parse(words: readonly string[], declaration = command): ParsedArguments {
  const parsed = parseArguments(words, declaration, 'pgcellar');
  if (parsed instanceof HelpWanted) throw new Error('help');
  return parsed;
}

/** Values of the options that were given, by their places. */
function given(...words: readonly string[]): Record<string, unknown> {
  const { options: values } = parse(['main', 'latest', ...words]);
  const found: Record<string, unknown> = {};
  for (const { name } of options) {
    if (!values.has(name)) continue;
    found[name] = values.flagIfGiven(name) ?? values.number(name) ?? values.text(name) ?? values.texts(name);
  }
  return found;
}

test.each<[string[], Record<string, unknown>]>([
  [[], {}],
  [['--nagios'], { nagios: true }],
  [['--nag'], { nagios: true }],
  [['--name', 'weekly'], { name: 'weekly' }],
  [['--name=weekly'], { name: 'weekly' }],
  [['--name=a=b'], { name: 'a=b' }],
  [['--name='], { name: '' }],
  [['--name', 'a', '--name', 'b'], { name: 'b' }],
  [['-j', '4'], { jobs: 4 }],
  [['-j4'], { jobs: 4 }],
  [['--jobs', '04'], { jobs: 4 }],
  [['--parallel', '3'], { jobs: 3 }],
  [['--para=3'], { jobs: 3 }],
  [['-x'], { gzip: true }],
  [['-zw'], { gzip: true, wait: true }],
  [['--retry-times', '0'], { 'retry-times': 0 }],
  [['--retry-times', '5', '--no-retry'], { 'retry-times': 0 }],
  [['--no-retry', '--retry-times=5'], { 'retry-times': 5 }],
  [['--wait', '--no-wait'], { wait: false }],
  [['--no-wait', '--wait'], { wait: true }],
  [['--no-w'], { wait: false }],
  [['--target', 'full'], { target: 'full' }],
  [['--check'], { check: 'yes' }],
  [['--check=no'], { check: 'no' }],
  [['--tablespace', 'a:/1', '--tablespace', 'b:/2'], { tablespace: ['a:/1', 'b:/2'] }],
  [['--size', 'four'], { size: 4 }],
])('%j gives %j', (words, values) => {
  expect(given(...words)).toEqual(values);
});

test('options and positionals may be mixed', () => {
  const { positionals, options: values } = parse(['--name', 'x', 'main', '--wait', 'latest', '-j', '2']);
  expect(positionals).toEqual(['main', 'latest']);
  expect([values.text('name'), values.flag('wait'), values.number('jobs')]).toEqual(['x', true, 2]);
});

test('a word after two dashes is not an option', () => {
  expect(parse(['main', '--', '--nag']).positionals).toEqual(['main', '--nag']);
});

test('several servers stand before nothing else', () => {
  const many: CommandDeclaration = { name: 'try', summary: 'x', servers: 'many', run: command.run };
  expect(parse(['main', 'other', 'all'], many).positionals).toEqual(['main', 'other', 'all']);
  expect(parse([], { ...many, servers: 'none' }).positionals).toEqual([]);
});

test.each([
  [['main'], 'the following arguments are required: backup_id'],
  [['main', 'latest', 'more'], 'too many arguments'],
  [['main', 'latest', '--none'], "unknown option '--none'"],
  [['main', 'latest', '-k'], "unknown option '-k'"],
  [['main', 'latest', '--na'], 'ambiguous option: --na could match --nagios, --name'],
  [['main', 'latest', '--no'], 'ambiguous option: --no could match --no-retry, --no-wait'],
  [['main', 'latest', '--name'], 'argument missing'],
  [['main', 'latest', '--jobs', '0'], "argument --jobs/-j: '0' is not a valid positive integer"],
  [['main', 'latest', '--jobs=-1'], "argument --jobs/-j: '-1' is not a valid positive integer"],
  [['main', 'latest', '--para', 'x'], "argument --jobs/-j: 'x' is not a valid positive integer"],
  [['main', 'latest', '--retry-times', '1.5'], "argument --retry-times: '1.5' is not a valid non negative integer"],
  [['main', 'latest', '--target', 'half'], "argument --target: invalid choice: 'half' (choose from 'full', 'standalone')"],
  [['main', 'latest', '--check=maybe'], "argument --check: invalid choice: 'maybe' (choose from 'yes', 'no')"],
  [['main', 'latest', '--size='], 'argument --size: use a size'],
])('%j is told on usage, with exit code 2', (words, message) => {
  const thrown: unknown = expect.objectContaining({
    code: 'usage',
    exitCode: 2,
    message: expect.stringMatching(
      /^usage: pgcellar try \[options\] <server_name> <backup_id>\npgcellar try: error: /,
    ) as string,
  });
  expect(() => parse(words)).toThrow(thrown);
  expect(() => parse(words)).toThrow(message);
});

test.each([['--help'], ['-h'], ['--hel'], ['main', '--help'], ['--name', 'x', '-h']])('help is wanted by %s', (...words) => {
  const parsed = parseArguments(words, command, 'pgcellar');
  expect(parsed).toBeInstanceOf(HelpWanted);
  expect((parsed as HelpWanted).text).toBe(helpOf(command, 'pgcellar')); // the line before says so
});

test('the help of a verb lists its arguments, options with their other spellings, and examples', () => {
  const text = helpOf(command, 'barman');
  expect(text).toMatch(/^Usage: barman try \[options\] <server_name> <backup_id>\n\nTries it\n/);
  expect(text).toContain('-z, --gzip');
  expect(text).toContain('(also -x)');
  expect(text).toContain('--tablespace <NAME:LOCATION>');
  expect(text).toContain('--target <full|standalone>');
  expect(text).toMatch(/\nExamples:\n {2}barman try main latest\n$/);
});
