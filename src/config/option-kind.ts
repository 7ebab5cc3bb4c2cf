import { formatPythonLiteral } from '../shared/python-literal.ts';

/** The meaning of `key =` (or `None`) for a kind of option (docs/reference/config-checks-hooks.md section 4.3). */
type EmptyRule =
  /** Explicitly unset: hides what `[barman]` says. */
  | 'unsets'
  /** As if the line were not there. */
  | 'inherits'
  /** A mistake, told as any other invalid value. */
  | 'is-invalid';

/** What Barman says of a text that it cannot read; `place` is `key KEY in [SECTION] section`. Missing where it says nothing. */
type BarmansProblem = (text: string, place: string) => string;

/** The value, or why the text has none and what would be accepted. */
type Reading<T> = { readonly value: T } | { readonly problem: string; readonly asBarman?: string | BarmansProblem | undefined };

/** How one kind of option is read from its text. */
export interface OptionKind<T> {
  /** For the documentation: `boolean`, `size`, `one of a, b`. */
  readonly label: string;
  readonly empty: EmptyRule;
  readonly read: (text: string) => Reading<T>;
}

const trueWords = ['true', 't', 'yes', '1', 'on'];
const falseWords = ['false', 'f', 'no', '0', 'off'];
const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  Ki: 1024,
  M: 1e6,
  Mi: 1024 ** 2,
  G: 1e9,
  Gi: 1024 ** 3,
  T: 1e12,
  Ti: 1024 ** 4,
};
const daySeconds = 86_400;
const intervalUnits: Readonly<Record<string, number>> = {
  hour: 3_600,
  day: daySeconds,
  week: 7 * daySeconds,
  month: 31 * daySeconds,
};

/** Any text, as it stands. */
export const text: OptionKind<string> = { label: 'text', empty: 'unsets', read: (value) => ({ value }) };

/** A shell command line. */
export const command: OptionKind<string> = { label: 'shell command', empty: 'unsets', read: (value) => ({ value }) };

/** A path that is taken as it stands. */
export const path: OptionKind<string> = { label: 'path', empty: 'unsets', read: (value) => ({ value }) };

/** A path that has to begin with a slash. */
export const absolutePath: OptionKind<string> = {
  label: 'absolute path',
  empty: 'is-invalid',
  read(value) {
    if (value.startsWith('/')) return { value };
    const asBarman = `Invalid value : '${value}' (must be an absolute path)`;
    return { problem: 'use an absolute path, one that begins with /', asBarman };
  },
};

/** A path, or the URL of an object store (docs/reference/since-3.17.md section 7.1). */
export const pathOrUrl: OptionKind<string> = {
  label: 'path or object store URL',
  empty: 'unsets',
  read(value) {
    if (value.includes('://') && !isStoreUrl(value)) {
      return { problem: 'use a path, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or an Azure container URL' };
    }
    return { value };
  },
};

/** `true t yes 1 on` or `false f no 0 off`, in any case. */
export const flag: OptionKind<boolean> = {
  label: 'boolean',
  empty: 'is-invalid',
  read(value) {
    const word = value.toLowerCase();
    if (trueWords.includes(word)) return { value: true };
    if (falseWords.includes(word)) return { value: false };
    const asBarman = `Invalid boolean representation (must be one in: ${trueWords.join('|')} | ${falseWords.join('|')})`;
    return { problem: `use one of ${trueWords.join(', ')} or one of ${falseWords.join(', ')}`, asBarman };
  },
};

/** A whole number with an optional sign; no range, as in Barman. */
export const integer: OptionKind<number> = {
  label: 'integer',
  empty: 'is-invalid',
  read(value) {
    if (!/^[+-]?\d+$/.test(value)) {
      const asBarman = `invalid literal for int() with base 10: ${formatPythonLiteral(value)}`;
      return { problem: 'use a whole number', asBarman };
    }
    const number = Number(value);
    if (!Number.isSafeInteger(number)) return { problem: 'the number is too large' };
    return { value: number };
  },
};

/** A number of things or seconds: none is the least. */
export const count: OptionKind<number> = {
  label: 'integer, 0 or more',
  empty: 'is-invalid',
  read: (value) => (/^-0*[1-9]/.test(value) ? { problem: 'use a whole number that is not negative' } : integer.read(value)),
};

/** As {@link count}, one is the least. */
export const positive: OptionKind<number> = {
  label: 'integer, 1 or more',
  empty: 'is-invalid',
  read: (value) => (/^[+-]?0+$/.test(value) ? { problem: 'use a whole number that is not 0' } : count.read(value)),
};

/** `N` or `N` with `k Ki M Mi G Gi T Ti` (k is 1000, Ki is 1024), in bytes. */
export const size: OptionKind<number> = {
  label: 'size',
  empty: 'inherits',
  read(value) {
    const [, count, unit = ''] = /^\s*(\d+)\s*(k|Ki|M|Mi|G|Gi|T|Ti)?\s*$/.exec(value) ?? [];
    const factor = sizeUnits[unit];
    if (count === undefined || factor === undefined) {
      const problem = 'use a number of bytes, or one with the unit k, Ki, M, Mi, G, Gi, T or Ti, as in 100Mi';
      return { problem, asBarman: `Invalid value for a number ${value}` };
    }
    return { value: Number(count) * factor };
  },
};

/** `N HOURS|DAYS|WEEKS|MONTHS`, singular or plural, in seconds; a month has 31 days. */
export const interval: OptionKind<number> = {
  label: 'interval',
  empty: 'inherits',
  read(value) {
    const [, count, unit = ''] = /^\s*(\d+)\s+(hour|day|week|month)s?\s*$/i.exec(value) ?? [];
    const seconds = intervalUnits[unit.toLowerCase()];
    if (count === undefined || seconds === undefined) {
      const problem = 'use a number and a unit, as in 2 HOURS, 1 DAY, 3 WEEKS or 1 MONTH';
      return { problem, asBarman: `Invalid value for a time interval ${value}` };
    }
    return { value: Number(count) * seconds };
  },
};

/** One of some words, in any case. @param asBarman what Barman says of another one */
export function oneOf<const W extends string>(words: readonly W[], asBarman?: BarmansProblem): OptionKind<NoInfer<W>> {
  return {
    label: `one of ${words.map((word) => `\`${word}\``).join(', ')}`,
    empty: 'is-invalid',
    read(value) {
      const found = words.find((word) => word.toLowerCase() === value.toLowerCase());
      if (found === undefined) return { problem: `use one of ${words.join(', ')}`, asBarman };
      return { value: found };
    },
  };
}

/** A comma separated set of words, in any case and order; the words of `exclusive` cannot stand together. */
export function setOf<const W extends string>(
  words: readonly W[],
  exclusive: readonly NoInfer<W>[] = [],
): OptionKind<readonly NoInfer<W>[]> {
  const single = oneOf(words);
  return {
    label: `comma separated set of ${words.map((word) => `\`${word}\``).join(', ')}`,
    empty: 'unsets',
    read(value) {
      const named: W[] = [];
      for (const word of value.split(',').map((part) => part.trim())) {
        const reading = single.read(word);
        if ('problem' in reading) return { ...reading, asBarman: problemInSet(word, 'Unknown option') };
        named.push(reading.value);
      }
      const chosen = words.filter((word) => named.includes(word));
      if (exclusive.every((word) => chosen.includes(word)) && exclusive.length > 1) {
        const both = exclusive.toReversed().map((word) => `'${word}'`);
        const asBarman = `cannot contain both ${both.join(' and ')}.Configuration directive ignored.`;
        return {
          problem: `${exclusive.join(' and ')} exclude each other`,
          asBarman: problemInSet(exclusive.at(-1) ?? '', asBarman),
        };
      }
      return { value: chosen };
    },
  };
}

/** Barman says of one word what it says of a whole value. */
function problemInSet(word: string, problem: string): BarmansProblem {
  return (_, place) => `Invalid configuration value '${word}' for ${place}: ${problem}`;
}

/** Comma separated names, none of them empty. */
export const nameList: OptionKind<readonly string[]> = {
  label: 'comma separated list',
  empty: 'unsets',
  read(value) {
    const names = value.split(',').map((name) => name.trim());
    if (names.includes('')) return { problem: 'a name is missing beside a comma', asBarman: formatPythonLiteral(names) };
    return { value: names };
  },
};

/** Name of a replication slot: lower-cased; letters, digits and underscores (PostgreSQL's rule). */
export const slotName: OptionKind<string> = {
  label: 'slot name',
  empty: 'is-invalid',
  read(value) {
    const name = value.toLowerCase();
    if (/^[0-9a-z_]+$/.test(name)) return { value: name };
    const asBarman = 'Replication slot names may only contain lower case letters, numbers, and the underscore character.';
    return { problem: 'a slot name has only letters, digits and underscores', asBarman };
  },
};

/** Bytes as `0x` and hexadecimal digits; kept as text. */
export const hexBytes: OptionKind<string> = {
  label: '`0x` and hexadecimal digits',
  empty: 'unsets',
  read(value) {
    if (!/^0x([0-9a-f]{2})+$/i.test(value)) return { problem: 'use 0x and pairs of hexadecimal digits, as in 0x1f8b' };
    return { value };
  },
};

/** `low`, `medium`, `high` or a number; each algorithm brings it into its own range. */
export const compressionLevel: OptionKind<'low' | 'medium' | 'high' | number> = {
  label: '`low`, `medium`, `high` or a number',
  empty: 'unsets',
  read(value) {
    const word = value.toLowerCase();
    if (word === 'low' || word === 'medium' || word === 'high') return { value: word };
    if (/^[+-]?\d+$/.test(word)) return { value: Number(word) };
    const asBarman = `Invalid value: '${value}' (must be one in [low, medium, high] or an acceptable integer)`;
    return { problem: 'use low, medium, high or a whole number', asBarman };
  },
};

const cronMacros = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

/** A cron expression and, after it, a time zone. The fields are read when the schedule is kept; here only their shape counts. */
export const cronExpression: OptionKind<string> = {
  label: 'cron expression, time zone',
  empty: 'unsets',
  read(value) {
    const words = value.trim().split(/\s+/);
    const zone = words.length > 1 && /^[A-Z][\w+-]*(\/[\w+/-]+)*$/.test(words.at(-1) ?? '') ? words.pop() : undefined;
    if (zone !== undefined && !isTimeZone(zone))
      return { problem: `there is no time zone ${zone}; use a name such as Europe/Berlin` };
    const [first = ''] = words;
    const isMacro = words.length === 1 && cronMacros.includes(first.toLowerCase());
    const isExpression = [5, 6].includes(words.length) && words.every((word) => /^[\w*?,/-]+$/.test(word));
    if (isMacro || isExpression) return { value: value.trim() };
    return { problem: 'use five or six fields, as in 30 1 * * * or 0 30 1 * * sun Europe/Berlin, or @daily' };
  },
};

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Kilobytes per second for each named tablespace: `NAME:KBPS NAME:KBPS`. */
export const tablespaceRates: OptionKind<Readonly<Record<string, number>>> = {
  label: 'blank separated list of `NAME:KBPS`',
  empty: 'unsets',
  read(value) {
    const rates: Record<string, number> = {};
    for (const pair of value.split(/\s+/)) {
      const [, name, rate] = /^(.+):(\d+)$/.exec(pair) ?? [];
      if (name === undefined) return { problem: 'use NAME:KBPS pairs with blanks between them' };
      rates[name] = Number(rate);
    }
    return { value: rates };
  },
};

/** Kilobytes per second; empty removes the limit. */
export const rate: OptionKind<number> = { ...integer, label: 'kilobytes per second', empty: 'unsets' };

/** `gpg`; `none` is the same as empty, and unlike in Barman it also hides what `[barman]` says. */
export const encryptionKind: OptionKind<'gpg' | undefined> = {
  label: 'one of `none`, `gpg`',
  empty: 'is-invalid',
  read(value) {
    const word = value.toLowerCase();
    if (word === 'none') return { value: undefined };
    if (word === 'gpg') return { value: 'gpg' };
    return { problem: 'use one of none, gpg', asBarman: `Invalid encryption value '${value}'. Allowed values are: none, gpg.` };
  },
};

/** The same kind, for options that an empty value unsets. */
export function unsettable<T>(kind: OptionKind<T>): OptionKind<NoInfer<T>> {
  return { ...kind, empty: 'unsets' };
}

/** Whether a destination is the URL of an object store that the reference knows (docs/reference/since-3.17.md section 7.1). */
export function isStoreUrl(value: string): boolean {
  if (/^(s3|gs):\/\/[^/]/.test(value)) return true;
  if (/^https:\/\/console\.cloud\.google\.com\/storage\/browser\/[^/]/.test(value)) return true;
  return /^https?:\/\/[^/]*blob\.core\.windows\.net\/[^/]/.test(value);
}
