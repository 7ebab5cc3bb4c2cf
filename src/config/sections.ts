import { hasControlCharacter } from '../shared/has-control-character.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { interpolate } from './interpolate.ts';
import type { IniEntry, IniFile } from './parse-ini.ts';

/** One option of one section after the first of Barman's two expansions. */
export interface Setting extends IniEntry {
  /** It comes from `[DEFAULT]`. */
  readonly isDefault: boolean;
}

/** One section, merged over all files. */
export interface Section {
  readonly name: string;
  /** Where its first header stands. */
  readonly file: string;
  readonly line: number;
  readonly settings: ReadonlyMap<string, Setting>;
}

/** Names of the global section; a configuration uses one of them. */
const globalNames: readonly string[] = ['barman', 'pgcellar'];

/** Sections of one file with the options of its `[DEFAULT]` in each, expanded once from the same section of the same file. */
export function sectionsOf(ini: IniFile, file: string): readonly Section[] {
  return [...ini.sections].map(([name, entries]) => ({
    name,
    file,
    line: ini.sectionLines.get(name) ?? 1,
    settings: settingsOf(entries, ini.defaults),
  }));
}

/** Merges sections of the same name; the last value of an option wins. */
export function mergeSections(sections: readonly Section[]): readonly Section[] {
  const merged = new Map<string, Section>();
  for (const section of sections) {
    const known = merged.get(section.name);
    const settings = new Map([...(known?.settings ?? []), ...section.settings]);
    merged.set(section.name, { ...(known ?? section), settings });
  }
  return [...merged.values()];
}

/**
 * The global section, under either of its names.
 * @throws OperatorError `configuration-invalid` when there is none or both are used
 */
export function globalSectionOf(sections: readonly Section[], file: string): Section {
  const [found, ...more] = sections.filter(isGlobalSection);
  const other = more.find(({ name }) => name !== found?.name);
  if (other !== undefined) {
    throw invalid(other, `both [barman] and [pgcellar] are used`, 'keep one of the two global sections');
  }
  if (found !== undefined) return found;
  throw new OperatorError('configuration-invalid', `${file} has no [barman] section`, {
    hint: 'begin the file with [barman] and set barman_home there',
  });
}

/** Whether a section is the global one. */
export function isGlobalSection(section: Section): boolean {
  return globalNames.includes(section.name);
}

/**
 * An included file may repeat what the main file says globally, and nothing else.
 * @throws OperatorError `configuration-invalid`
 */
export function refuseGlobalChange(global: Section, included: readonly Section[]): void {
  globalSectionOf([global, ...included], global.file);
  for (const repeated of included.filter(isGlobalSection)) {
    for (const [key, setting] of repeated.settings) {
      if (global.settings.get(key)?.text === setting.text) continue;
      const hint = `move it to the [${global.name}] section of the main file`;
      throw invalid(setting, `an included file must not change ${key} of [${global.name}]`, hint);
    }
  }
}

/** In bytes; the longest name made of it is that of a lock file, and a name may have 255. */
const longestName = 200;

/**
 * Names become folders and parts of file names: what could reach outside, or hide, is refused.
 * @throws OperatorError `configuration-invalid`
 */
export function refuseUnusableName(section: Section): void {
  const reason = reasonAgainstName(section.name);
  if (reason !== undefined) throw invalid(section, reason, 'rename the section');
}

function reasonAgainstName(name: string): string | undefined {
  if (name === 'all') return `a section cannot be named 'all', which means every server`;
  if (Buffer.byteLength(name) > longestName) return `a section name has more than ${String(longestName)} bytes`;
  if (!name.startsWith('.') && !name.includes('/') && !hasControlCharacter(name)) return undefined;
  return `the section name ${JSON.stringify(name)} has a slash or a control character, or begins with a dot`;
}

/**
 * As {@link refuseUnusableName}, for the name of a server that is about to get a section.
 * @throws OperatorError `configuration-invalid`
 */
export function refuseNameForNew(name: string): void {
  const hint = 'choose another name';
  const reason = reasonAgainstName(name);
  if (reason !== undefined) throw new OperatorError('configuration-invalid', reason, { hint });
  if ([...globalNames, 'DEFAULT'].includes(name)) {
    throw new OperatorError('configuration-invalid', `[${name}] is not the section of a server`, { hint });
  }
  if (name === '' || name.trim() !== name || name.includes(']')) {
    throw new OperatorError('configuration-invalid', `the name ${JSON.stringify(name)} cannot be a section`, { hint });
  }
}

/** A mistake at one place of a file. */
export function invalid(place: { readonly file: string; readonly line: number }, what: string, hint: string): OperatorError {
  return new OperatorError('configuration-invalid', `${place.file}:${String(place.line)}: ${what}`, { hint });
}

function settingsOf(
  entries: ReadonlyMap<string, IniEntry>,
  defaults: ReadonlyMap<string, IniEntry>,
): ReadonlyMap<string, Setting> {
  const all = new Map([...defaults, ...entries]);
  const lookup = (name: string): string | undefined => all.get(name)?.text;
  return new Map(
    [...all].map(([key, entry]) => [
      key,
      { ...entry, text: interpolate(entry.text, lookup).text, isDefault: !entries.has(key) },
    ]),
  );
}
