import { expect, test } from 'vitest';
import { type HelperDeclaration, helperHelp, parseHelperArguments } from '../../../src/shipping/helper-arguments.ts';

const declaration: HelperDeclaration = {
  summary: 'a helper',
  barmanOptions: ['[-h]'],
  positionals: ['HOST', 'WAL'],
  options: [
    { name: 'help', short: 'h', takesValue: false, summary: 'help' },
    { name: 'user', short: 'U', takesValue: true, summary: 'user' },
    { name: 'parallel', short: 'p', takesValue: true, isNumber: true, summary: 'jobs' },
    { name: 'partial', short: 'P', takesValue: false, summary: 'partial' },
    { name: 'gzip', short: 'z', takesValue: false, summary: 'gzip' },
  ],
};
const parse = (...argv: string[]) => parseHelperArguments(argv, declaration, 'helper');

test.each([
  { title: 'options may stand anywhere', argv: ['h', '-U', 'me', 'w', '-P'], options: { user: 'me', partial: '' } },
  { title: 'letters of flags may stand together', argv: ['-Pz', 'h', 'w'], options: { partial: '', gzip: '' } },
  { title: 'a value may follow its letter without a blank', argv: ['-p4', 'h', 'w'], options: { parallel: '4' } },
  { title: 'a long name takes its value after =', argv: ['--user=me', 'h', 'w'], options: { user: 'me' } },
  { title: 'a long name may be abbreviated', argv: ['--us', 'me', 'h', 'w'], options: { user: 'me' } },
  { title: 'the last of repeated options wins', argv: ['-U', 'a', '-U', 'b', 'h', 'w'], options: { user: 'b' } },
  { title: 'after -- nothing is an option', argv: ['h', '--', '-P'], options: {}, positionals: ['h', '-P'] },
])('$title', ({ argv, options, positionals = ['h', 'w'] }) => {
  const parsed = parse(...argv);
  expect(Object.fromEntries(parsed.options)).toEqual(options);
  expect(parsed.positionals).toEqual(positionals);
});

test.each([
  { argv: ['h'], message: /required: WAL/ },
  { argv: ['h', 'w', 'x'], message: /unrecognized arguments: x/ },
  { argv: ['-q', 'h', 'w'], message: /unrecognized arguments: -q/ },
  { argv: ['--par', '1', 'h', 'w'], message: /ambiguous option: --par/ },
  { argv: ['-p', 'x', 'h', 'w'], message: /invalid int value: 'x'/ },
  { argv: ['h', 'w', '-U'], message: /expected one argument/ },
  { argv: ['--gzip=1', 'h', 'w'], message: /ignored explicit argument/ },
])('$argv is refused', ({ argv, message }) => {
  expect(() => parse(...argv)).toThrow(message);
});

test('help is had without arguments, and names every option', () => {
  expect(parse('-h').options.has('help')).toBe(true);
  const text = helperHelp(declaration, 'helper');
  for (const { name } of declaration.options) expect(text).toContain(`--${name}`);
});
