import { OperatorError } from '../shared/operator-error.ts';
import { withoutSecret } from './without-secret.ts';

/** One `key = value` as it stands in a file: continuation lines joined, nothing expanded, no quote removed. */
export interface IniEntry {
  readonly text: string;
  readonly file: string;
  /** Line of the key, from 1. */
  readonly line: number;
}

/** Sections of one file by name, in order; the options of `[DEFAULT]` stand apart. */
export interface IniFile {
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, IniEntry>>;
  readonly defaults: ReadonlyMap<string, IniEntry>;
  /** Line of the first header of each section, from 1. */
  readonly sectionLines: ReadonlyMap<string, number>;
}

interface OpenOption {
  readonly entries: Map<string, IniEntry>;
  readonly key: string;
  readonly line: number;
  readonly indent: number;
  readonly lines: string[];
}

/**
 * Reads Barman's INI dialect, which is that of Python's configparser (docs/reference/config-checks-hooks.md section 1): `=` or `:`, lower-cased keys,
 * whole-line comments with `#` or `;`, continuation by indentation, repeated sections and keys where the last one wins.
 * @throws OperatorError `configuration-invalid` naming file and line
 */
export function parseIni(content: string, file: string): IniFile {
  const sections = new Map<string, Map<string, IniEntry>>();
  const defaults = new Map<string, IniEntry>();
  const sectionLines = new Map<string, number>();
  let entries: Map<string, IniEntry> | undefined;
  let open: OpenOption | undefined;
  let indent = 0;
  let line = 0;
  for (const raw of content.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    line += 1;
    const words = raw.trim();
    if (isComment(words)) continue;
    if (words === '') {
      open?.lines.push('');
      continue;
    }
    const depth = raw.length - raw.trimStart().length;
    if (open !== undefined && depth > indent) {
      open.lines.push(words);
      continue;
    }
    store(open, file);
    open = undefined;
    indent = depth;
    const name = /^\[(.+)\]/.exec(words)?.[1];
    if (name !== undefined) {
      if (!sectionLines.has(name)) sectionLines.set(name, line);
      entries = name === 'DEFAULT' ? defaults : sectionNamed(sections, name);
      continue;
    }
    if (entries === undefined)
      throw misread(file, line, 'text before the first [section]', 'begin the file with a section such as [barman]');
    open = openOption(words, { entries, line, indent, file });
  }
  store(open, file);
  return { sections, defaults, sectionLines };
}

function isComment(words: string): boolean {
  return words.startsWith('#') || words.startsWith(';');
}

function sectionNamed(sections: Map<string, Map<string, IniEntry>>, name: string): Map<string, IniEntry> {
  const entries = sections.get(name) ?? new Map<string, IniEntry>();
  sections.set(name, entries);
  return entries;
}

function openOption(
  words: string,
  place: { entries: Map<string, IniEntry>; line: number; indent: number; file: string },
): OpenOption {
  const [, key = '', value = ''] = /^(.*?)\s*[=:]\s*(.*)$/s.exec(words) ?? [];
  if (key === '')
    throw misread(
      place.file,
      place.line,
      `this line is not "key = value": ${withoutSecret(words)}`,
      'write key = value, or begin the line with # for a comment',
    );
  return { entries: place.entries, key: key.trimEnd().toLowerCase(), line: place.line, indent: place.indent, lines: [value] };
}

function store(open: OpenOption | undefined, file: string): void {
  if (open === undefined) return;
  open.entries.set(open.key, { text: open.lines.join('\n').trimEnd(), file, line: open.line });
}

function misread(file: string, line: number, what: string, hint: string): OperatorError {
  return new OperatorError('configuration-invalid', `${file}:${String(line)}: ${what}`, { hint });
}
