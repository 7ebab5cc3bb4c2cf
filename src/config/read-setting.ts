import { join } from 'node:path';
import { spoken, type Voice } from '../shared/voice.ts';
import { interpolate } from './interpolate.ts';
import { absolutePath, type OptionKind, path, pathOrUrl } from './option-kind.ts';
import type { Section, Setting } from './sections.ts';
import { withoutSecret } from './without-secret.ts';

/** The reading of an option in a section; a value of undefined unsets it. Missing: as if the line were not there. */
export interface Given {
  readonly value: unknown;
  readonly file: string;
}

/** The messages that reading collects for the user and for the log. */
export interface Notes {
  readonly warnings: string[];
  readonly logWarnings: string[];
}

/** The surroundings that all settings of one reading share. */
export interface ReadingContext {
  readonly notes: Notes;
  /** For `~` in paths. */
  readonly homeFolder: string;
  /** Of problems that Barman has words for. */
  readonly voice: Voice;
}

/** Texts that Barman puts right, saying so in its log only (docs/reference/config-checks-hooks.md section 5). */
const repairs: Readonly<Record<string, (value: unknown) => unknown>> = {
  minimum_redundancy: (value) => (typeof value === 'number' && value < 0 ? 0 : value),
  retention_policy_mode: (value) => (value === undefined ? value : 'auto'),
  wal_retention_policy: (value) => (value === undefined ? value : 'main'),
};

/**
 * Reads one option of a section: second expansion, quotes, `None`, then its kind. A value that cannot be read is told and counts as
 * missing.
 */
export function readSetting(
  key: string,
  kind: OptionKind<unknown>,
  section: Section,
  context: ReadingContext,
): Given | undefined {
  const setting = section.settings.get(key);
  if (setting === undefined) return undefined;
  const text = plainText(key, setting, section, context.notes);
  if (text === '' && kind.empty === 'inherits') return undefined;
  if (text === '' && kind.empty === 'unsets') return { value: undefined, file: setting.file };
  const reading = kind.read(isPath(kind) ? withHome(text, context.homeFolder) : text);
  if ('problem' in reading) {
    const { problem, asBarman } = reading;
    const place = `key ${key} in [${section.name}] section`;
    const barmans = typeof asBarman === 'function' ? asBarman(text, place) : asBarman;
    const ignoring = `Ignoring invalid configuration value '${withoutSecret(text)}' for`;
    const own = `${ignoring} key ${key} in ${placeOf(setting, section)}: ${problem}`;
    const isSecret = withoutSecret(text) !== text; // Barman repeats the value
    const words = isSecret ? {} : { asBarman: barmans && `${ignoring} ${place}: ${barmans}` };
    context.notes.warnings.push(spoken(own, words, context.voice) ?? own);
    return undefined;
  }
  return { value: repaired(key, reading.value, placeOf(setting, section), context.notes), file: setting.file };
}

/** The warning about an option that nobody knows. */
export function unknownOption(
  key: string,
  place: { readonly setting: Setting; readonly section: Section },
  voice: Voice,
): string {
  const { setting, section } = place;
  const words = `Invalid configuration option "${key}" in`;
  const own = `${words} ${placeOf(setting, section)}`;
  return spoken(own, { asBarman: `${words} [${section.name}] section.` }, voice) ?? own;
}

/** Where a setting stands, for messages. */
export function placeOf(setting: Setting, section: Section): string {
  return `[${section.name}] section (${setting.file}:${String(setting.line)})`;
}

/** `~` and `~/…` with the home folder in the place of the tilde. */
function withHome(text: string, homeFolder: string): string {
  if (text === '~') return homeFolder;
  return text.startsWith('~/') ? join(homeFolder, text.slice(2)) : text;
}

function plainText(key: string, setting: Setting, section: Section, notes: Notes): string {
  const { text, unknown } = interpolate(setting.text, (name) => section.settings.get(name)?.text);
  if (key !== 'log_format') {
    for (const name of new Set(unknown)) {
      notes.warnings.push(
        `No option "${name}" for %(${name})s of key ${key} in ${placeOf(setting, section)}; it stays as it is`,
      );
    }
  }
  const bare = unquoted(text);
  return bare === 'None' ? '' : bare;
}

function unquoted(text: string): string {
  return /^(['"])(.*)\1$/s.exec(text)?.[2] ?? text;
}

function isPath(kind: OptionKind<unknown>): boolean {
  return kind === path || kind === pathOrUrl || kind === absolutePath;
}

function repaired(key: string, value: unknown, place: string, notes: Notes): unknown {
  const good = repairs[key]?.(value) ?? value;
  if (good !== value)
    notes.logWarnings.push(`${key} = ${withoutSecret(String(value))} in ${place} is not possible; ${String(good)} is used`);
  return good;
}
