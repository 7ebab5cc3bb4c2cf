import { formatPythonFloat } from './python-literal.ts';

/** A value that JSON can express. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

interface JsonLayout {
  /** Blanks for each level; without it everything stands on one line. */
  readonly indent?: number;
  /** Keys in alphabetical order instead of the order they were given in. */
  readonly sortKeys?: boolean;
  /** Changes every text that is a value. */
  readonly text?: (value: string) => string;
}

/**
 * JSON text as Barman's tools print it: separators `", "` and `": "`, everything but printable ASCII escaped, no newline at the end
 * (docs/reference/cli.md section 12); with an indent as `sync-info` and `diagnose` print it (docs/reference/cli.md section 11).
 */
export function formatJson(value: Json, layout: JsonLayout = {}): string {
  return [...jsonPieces(value, layout)].join('');
}

/** The same text in pieces, one after the other, for what may be long. */
export function* jsonPieces(value: Json, layout: JsonLayout = {}, depth = 0): Generator<string> {
  if (typeof value === 'string') yield quote(layout.text === undefined ? value : layout.text(value));
  else if (typeof value === 'number') yield Number.isInteger(value) ? String(value) : formatPythonFloat(value);
  else if (value === null || typeof value === 'boolean') yield String(value);
  else if (isList(value)) yield* bracketed('[]', itemsOf(value), layout, depth);
  else yield* bracketed('{}', membersOf(value, layout), layout, depth);
}

/** The text before a value, and the value. */
type Item = readonly [head: string, value: Json];

function* itemsOf(list: readonly Json[]): Generator<Item> {
  for (const item of list) yield ['', item];
}

function* membersOf(object: JsonObject, { sortKeys }: JsonLayout): Generator<Item> {
  const keys = sortKeys === true ? Object.keys(object).toSorted() : Object.keys(object);
  for (const key of keys) yield [`${quote(key)}: `, object[key] ?? null];
}

function* bracketed(pair: '[]' | '{}', items: Iterable<Item>, layout: JsonLayout, depth: number): Generator<string> {
  const { indent } = layout;
  const marginOf = (level: number) => (indent === undefined ? '' : `\n${' '.repeat(indent * level)}`);
  const separator = indent === undefined ? ', ' : `,${marginOf(depth + 1)}`;
  let isFirst = true;
  for (const [head, value] of items) {
    yield `${isFirst ? `${pair.charAt(0)}${marginOf(depth + 1)}` : separator}${head}`;
    yield* jsonPieces(value, layout, depth + 1);
    isFirst = false;
  }
  yield isFirst ? pair : `${marginOf(depth)}${pair.charAt(1)}`;
}

function quote(text: string): string {
  return JSON.stringify(text).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
