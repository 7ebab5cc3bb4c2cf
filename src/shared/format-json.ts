import { formatPythonFloat } from './python-literal.ts';

/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

interface JsonLayout {
  /** Blanks for each level; without it everything stands on one line. */
  readonly indent?: number;
  /** Keys in alphabetical order instead of the order they were given in. */
  readonly sortKeys?: boolean;
}

/**
 * JSON text as Barman's tools print it: separators `", "` and `": "`, everything but printable ASCII escaped, no newline at the end
 * (cli.md section 12); with an indent as `sync-info` and `diagnose` print it (cli.md section 11).
 */
export function formatJson(value: Json, layout: JsonLayout = {}): string {
  return formatValue(value, layout, 0);
}

function formatValue(value: Json, layout: JsonLayout, depth: number): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : formatPythonFloat(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (isList(value))
    return bracketed(
      '[]',
      value.map((item) => formatValue(item, layout, depth + 1)),
      layout,
      depth,
    );
  const keys = layout.sortKeys === true ? Object.keys(value).toSorted() : Object.keys(value);
  const members = keys.map((key) => `${quote(key)}: ${formatValue(value[key] ?? null, layout, depth + 1)}`);
  return bracketed('{}', members, layout, depth);
}

function bracketed(pair: '[]' | '{}', items: readonly string[], { indent }: JsonLayout, depth: number): string {
  const [open, close] = [pair.charAt(0), pair.charAt(1)];
  if (items.length === 0 || indent === undefined) return `${open}${items.join(', ')}${close}`;
  const margin = `\n${' '.repeat(indent * (depth + 1))}`;
  return `${open}${margin}${items.join(`,${margin}`)}\n${' '.repeat(indent * depth)}${close}`;
}

function quote(text: string): string {
  return JSON.stringify(text).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
