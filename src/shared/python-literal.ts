/** A Python float: kept apart from an integer, because `1.0` must be written back as `1.0`. */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A Python tuple. */
export class PythonTuple {
  readonly items: readonly PythonValue[];
  constructor(items: readonly PythonValue[]) {
    this.items = items;
  }
}

export type PythonDict = ReadonlyMap<string, PythonValue>;

/** A value that a Python literal may express (docs/reference/catalog.md section 2.1): an array is a list, a map a dict with text keys. */
export type PythonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | PythonFloat
  | PythonTuple
  | readonly PythonValue[]
  | PythonDict;

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};
const number = /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const blank = /\s/;
const plainText = /[^'"\\]*/y;
const words: readonly (readonly [string, PythonValue])[] = [
  ['None', null],
  ['True', true],
  ['False', false],
];

/** Reads a literal of strings, numbers, None, True, False, lists, tuples and dicts; undefined when the text is none. */
export function parsePythonLiteral(text: string): PythonValue | undefined {
  const reader = new LiteralReader(text);
  try {
    return reader.whole();
  } catch (error) {
    if (error instanceof NotALiteral) return undefined;
    throw error;
  }
}

/** Writes a value as Python's `repr` does. */
export function formatPythonLiteral(value: PythonValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return formatText(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof PythonFloat) return formatPythonFloat(value.value);
  if (value instanceof PythonTuple) return formatTuple(value);
  if (isDict(value)) {
    return `{${[...value].map(([key, item]) => `${formatText(key)}: ${formatPythonLiteral(item)}`).join(', ')}}`;
  }
  return `[${value.map(formatPythonLiteral).join(', ')}]`;
}

/** `1.0`, `0.5`, `1e-05`: the shortest text that reads back as the same number, in Python's form. */
export function formatPythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const [digits = '0', exponentText = '0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (Object.is(value, -0)) return '-0.0';
  if (exponent >= -4 && exponent < 16) {
    const plain = exponent < 0 ? value.toFixed(Math.max(0, digits.replace(/[-.]/g, '').length - 1 - exponent)) : String(value);
    return plain.includes('.') ? plain : `${plain}.0`;
  }
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** Whether a value is a dict. */
export function isDict(value: PythonValue | undefined): value is PythonDict {
  return value instanceof Map;
}

function formatTuple({ items }: PythonTuple): string {
  const inner = items.map(formatPythonLiteral);
  return inner.length === 1 ? `(${inner.join('')},)` : `(${inner.join(', ')})`;
}

function formatText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let written = '';
  for (const character of text) written += formatCharacter(character, quote);
  return `${quote}${written}${quote}`;
}

function formatCharacter(character: string, quote: string): string {
  if (character === '\\' || character === quote) return `\\${character}`;
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  if (character === ' ' || !/[\p{C}\p{Z}]/u.test(character)) return character;
  const code = (character.codePointAt(0) ?? 0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, '0')}`;
  return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\U${code.padStart(8, '0')}`;
}

class NotALiteral extends Error {}

/** As in Python: brackets in more others than these are no literal. */
const deepest = 200;

/** Reads from left to right; any surprise is a {@link NotALiteral}. */
class LiteralReader {
  readonly #text: string;
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): PythonValue {
    const value = this.#value();
    this.#skipBlanks();
    if (this.#position !== this.#text.length) throw new NotALiteral();
    return value;
  }

  #value(): PythonValue {
    this.#skipBlanks();
    const next = this.#text.charAt(this.#position);
    if (next === '[') return this.#nested(() => this.#items('[', ']').items);
    if (next === '(') return this.#nested(() => this.#tuple());
    if (next === '{') return this.#nested(() => this.#dict());
    if (next === "'" || next === '"') return this.#textWithNeighbours();
    return this.#wordOrNumber();
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > deepest) throw new NotALiteral();
    const value = read();
    this.#depth--;
    return value;
  }

  #tuple(): PythonValue {
    const { items, hasComma } = this.#items('(', ')');
    const [only] = items;
    return items.length === 1 && !hasComma && only !== undefined ? only : new PythonTuple(items);
  }

  #items(open: string, close: string): { items: PythonValue[]; hasComma: boolean } {
    this.#take(open);
    const items: PythonValue[] = [];
    let hasComma = false;
    for (;;) {
      this.#skipBlanks();
      if (this.#tookIf(close)) return { items, hasComma };
      if (items.length > 0 && !hasComma) throw new NotALiteral();
      items.push(this.#value());
      this.#skipBlanks();
      const isLast = !this.#tookIf(',');
      if (isLast) {
        this.#take(close);
        return { items, hasComma: items.length > 1 };
      }
      hasComma = true;
    }
  }

  #dict(): PythonDict {
    this.#take('{');
    const dict = new Map<string, PythonValue>();
    for (;;) {
      this.#skipBlanks();
      if (this.#tookIf('}')) return dict;
      const key = this.#value();
      if (typeof key !== 'string') throw new NotALiteral();
      this.#skipBlanks();
      this.#take(':');
      dict.set(key, this.#value());
      this.#skipBlanks();
      if (this.#tookIf(',')) continue;
      this.#take('}');
      return dict;
    }
  }

  /** Python joins literals that stand side by side. */
  #textWithNeighbours(): string {
    let joined = '';
    for (;;) {
      const quote = this.#text.charAt(this.#position);
      if (quote !== "'" && quote !== '"') return joined;
      this.#position++;
      joined += this.#textUntil(quote);
      this.#skipBlanks();
    }
  }

  #textUntil(quote: string): string {
    let found = '';
    for (;;) {
      plainText.lastIndex = this.#position;
      const [plain = ''] = plainText.exec(this.#text) ?? [];
      this.#position += plain.length;
      found += plain;
      const character = this.#text.charAt(this.#position++);
      if (character === '') throw new NotALiteral();
      if (character === quote) return found;
      found += character === '\\' ? this.#escape() : character;
    }
  }

  #escape(): string {
    const letter = this.#text.charAt(this.#position++);
    const simple = escapes[letter];
    if (simple !== undefined) return simple;
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#position, this.#position + digits);
      if (!new RegExp(`^[0-9a-fA-F]{${String(digits)}}$`).test(hex)) throw new NotALiteral();
      this.#position += digits;
      const code = Number.parseInt(hex, 16);
      if (code > 0x10ffff) throw new NotALiteral();
      return String.fromCodePoint(code);
    }
    const [octal] = /^[0-7]{1,3}/.exec(this.#text.slice(this.#position - 1)) ?? [];
    if (octal === undefined) return `\\${letter}`;
    this.#position += octal.length - 1;
    return String.fromCodePoint(Number.parseInt(octal, 8));
  }

  #wordOrNumber(): PythonValue {
    number.lastIndex = this.#position;
    const [digits] = number.exec(this.#text) ?? [];
    if (digits !== undefined) {
      this.#position += digits.length;
      return readNumber(digits);
    }
    const found = words.find(([word]) => this.#text.startsWith(word, this.#position));
    if (found === undefined) throw new NotALiteral();
    this.#position += found[0].length;
    return found[1];
  }

  #take(character: string): void {
    if (!this.#tookIf(character)) throw new NotALiteral();
  }

  #tookIf(character: string): boolean {
    if (this.#text.charAt(this.#position) !== character) return false;
    this.#position++;
    return true;
  }

  #skipBlanks(): void {
    while (this.#position < this.#text.length && blank.test(this.#text.charAt(this.#position))) this.#position++;
  }
}

function readNumber(text: string): number | bigint | PythonFloat {
  if (/[.eE]/.test(text)) return new PythonFloat(Number(text));
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text.replace(/^\+/, ''));
}

/** Python's name of a field of ours: `beginWal` is `begin_wal`. */
export function snakeCase(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
