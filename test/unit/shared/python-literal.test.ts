import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatPythonFloat,
  formatPythonLiteral,
  PythonFloat,
  PythonTuple,
  type PythonValue,
  parsePythonLiteral,
} from '../../../src/shared/python-literal.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { runProgram } from '../../helpers/run-program.ts';

/** What Python makes of a JSON list of values, one text for each. */
async function askPython(expression: string, values: readonly unknown[]): Promise<string[]> {
  const script = `import json, sys, ast\nprint(json.dumps([${expression} for x in json.load(sys.stdin)]))`;
  const result = await runProgram(['python3', '-c', script], { input: JSON.stringify(values), env: process.env });
  expect(result.stderr).toBe('');
  return JSON.parse(result.stdout) as string[]; // a list of texts, by the script
}

test.each([
  ["'plain'", 'plain'],
  ['"double"', 'double'],
  [String.raw`'it\'s'`, "it's"],
  [`"it's"`, "it's"],
  [String.raw`'\\ \n \r \t \a \b \f \v \' \"'`, '\\ \n \r \t \x07 \b \f \v \' "'],
  [String.raw`'\x41\u00e9\U0001F600\101'`, 'Aé😀A'],
  ["'one' 'two'", 'onetwo'],
  ["'joined \\\nline'", 'joined line'],
  [String.raw`'\q'`, '\\q'],
  ['12', 12],
  ['-12', -12],
  ['+3', 3],
  ['9007199254740993', 9007199254740993n],
  ['1.0', new PythonFloat(1)],
  ['-1e-05', new PythonFloat(-1e-5)],
  ['.5', new PythonFloat(0.5)],
  ['None', null],
  ['True', true],
  ['False', false],
  ['[]', []],
  ["['a', 1, None,]", ['a', 1, null]],
  ['()', new PythonTuple([])],
  ["('a',)", new PythonTuple(['a'])],
  ["('a')", 'a'],
  ["[('fast', 16384, '/srv/fast')]", [new PythonTuple(['fast', 16384, '/srv/fast'])]],
  ["{'a': {'b': [1.5]}}", new Map([['a', new Map([['b', [new PythonFloat(1.5)]]])]])],
  ['{}', new Map()],
] satisfies [string, PythonValue][])('Python text %s is read', (text, value) => {
  expect(parsePythonLiteral(text)).toEqual(value);
});

test.each([
  '',
  "'open",
  "'open\\",
  String.raw`'\x4'`,
  String.raw`'\U00110000'`,
  '[1, 2',
  '[1 2]',
  '[,]',
  '{1: 2}',
  "{'a' 1}",
  "{'a': 1",
  'Nonesuch',
  'none',
  '1 2',
  '__import__("os")',
  'a',
])('%s is no literal', (text) => {
  expect(parsePythonLiteral(text)).toBeUndefined();
});

test.each([
  ["it's", `"it's"`],
  [`it's "it"`, String.raw`'it\'s "it"'`],
  ['\\', String.raw`'\\'`],
  ['\n\r\t\x00\x1b\x7f', String.raw`'\n\r\t\x00\x1b\x7f'`],
  ['é€😀', "'é€😀'"],
  ['\u00a0\u2028\u200b\ufeff', String.raw`'\xa0\u2028\u200b\ufeff'`],
])('text %j is written as %s', (text, written) => {
  expect(formatPythonLiteral(text)).toBe(written);
});

test.each([
  [new PythonTuple(['x']), "('x',)"],
  [new PythonTuple([]), '()'],
  [new PythonTuple(['a', 1, 'b']), "('a', 1, 'b')"],
  [[new PythonFloat(1), true, null], '[1.0, True, None]'],
  [
    new Map<string, PythonValue>([
      ['b', 1],
      ['a', new Map()],
    ]),
    "{'b': 1, 'a': {}}",
  ],
] as const)('%o is written as %s', (value, written) => {
  expect(formatPythonLiteral(value)).toBe(written);
});

const values: fc.Arbitrary<PythonValue> = fc.letrec<{ value: PythonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => new PythonFloat(number)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => new PythonTuple(items)),
    fc.array(fc.tuple(fc.string({ unit: 'binary' }), tie('value')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
  ),
})).value;

test('a written value reads back as the same value', () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(parsePythonLiteral(formatPythonLiteral(value))).toEqual(value);
    }),
  );
});

test('no text makes the reader fail otherwise than by saying that it is no literal', () => {
  const pieces = fc.constantFrom("'", '"', '\\', '[', ']', '(', ')', '{', '}', ',', ':', 'None', '1', 'e', '.', 'x', ' ', 'u');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (words) => {
      parsePythonLiteral(words.join(''));
    }),
    { numRuns: 500 },
  );
});

test.each([
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [-1.5, '-1.5'],
  [0.0001, '0.0001'],
  [0.00012345, '0.00012345'],
  [0.00001, '1e-05'],
  [1e-7, '1e-07'],
  [1.5e-300, '1.5e-300'],
  [1e15, '1000000000000000.0'],
  [9999999999999998, '9999999999999998.0'],
  [1e16, '1e+16'],
  [123456789012345680000, '1.2345678901234568e+20'],
  [5e-324, '5e-324'],
  [1795386333.43906, '1795386333.43906'],
  [Number.NaN, 'nan'],
  [Number.POSITIVE_INFINITY, 'inf'],
  [Number.NEGATIVE_INFINITY, '-inf'],
])('the float %d is written as %s', (value, written) => {
  expect(formatPythonFloat(value)).toBe(written);
});

test.skipIf(lacksPrograms('python3'))('floats look as Python shows them', async () => {
  const doubles = [
    ...fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), 200),
    ...fc.sample(fc.double({ min: 0, max: 4e9, noNaN: true }), 200),
    ...fc.sample(fc.integer(), 50).map((number) => number / 1e6),
  ];
  expect(doubles.map(formatPythonFloat)).toEqual(await askPython('repr(float(x))', doubles.map(withSign)));
});

/** JavaScript writes -0 as `0`. */
function withSign(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

test.skipIf(lacksPrograms('python3'))('texts look as Python shows them, and Python reads what we write', async () => {
  // only characters that have been in Unicode for long: whether newer ones can be printed depends on the release of either side
  const old = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc.string({ unit: fc.integer({ min: 0, max: 0x24f }).map(String.fromCodePoint) }),
  );
  const texts = [...fc.sample(old, 300), '\u2028\u2029\u200b\u3000\ufeff', '€漢字😀', `'"`, "'", '"', '\\'];
  expect(texts.map(formatPythonLiteral)).toEqual(await askPython('repr(x)', texts));
  expect(await askPython('ast.literal_eval(x)', texts.map(formatPythonLiteral))).toEqual(texts);
});

test('brackets in 200 brackets are read, and in more they are no literal', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  expect(parsePythonLiteral(nested(200))).toBeDefined();
  for (const depth of [201, 1_000_000]) expect(parsePythonLiteral(nested(depth))).toBeUndefined();
  expect(parsePythonLiteral(`${'('.repeat(1000)}1`)).toBeUndefined();
  expect(parsePythonLiteral(`${"{'a': ".repeat(1000)}1`)).toBeUndefined();
  expect(parsePythonLiteral(`[${nested(150)}, ${nested(150)}]`)).toBeDefined();
});
