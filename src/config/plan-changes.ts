import { hasControlCharacter } from '../shared/has-control-character.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatPythonLiteral, type PythonValue } from '../shared/python-literal.ts';
import { type ChangeSet, valueText } from './change-queue.ts';
import type { ConfigurationFiles } from './load-configuration.ts';
import { flag, text } from './option-kind.ts';
import { declarationOf, isServerOption } from './options.ts';
import { parseIni } from './parse-ini.ts';
import { readSetting } from './read-setting.ts';
import { isGlobalSection, refuseUnusableName, type Section, sectionsOf } from './sections.ts';

/** One object of a `config-update` after its first reading. */
interface Change {
  readonly scope: 'server' | 'model';
  readonly section: string;
  readonly options: ReadonlyMap<string, string>;
}

/** The configuration, as far as changes must agree with it. */
interface Surroundings {
  readonly files: ConfigurationFiles;
  readonly serverNames: readonly string[];
  readonly modelNames: readonly string[];
}

/**
 * Reads the JSON of a `config-update` and says which file each option goes into (docs/reference/config-checks-hooks.md section 7). Values are never
 * repeated in messages: they can hold passwords.
 * @throws OperatorError `configuration-invalid` for the first object that cannot be; nothing is to be changed then
 */
export function planChanges(json: string, around: Surroundings): readonly ChangeSet[] {
  return changesOf(json).map((value, index) => {
    const place = `change ${String(index + 1)}`;
    const change = completed(readChange(value, place), around, place);
    for (const [key, wanted] of change.options) refuseUnreadable(change, { key, wanted, place });
    return {
      section: change.section,
      changes_set: [...change.options].map(([key, wanted]) => ({
        key,
        value: wanted,
        config_file: fileOf(change.section, key, around.files),
      })),
    };
  });
}

function changesOf(json: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value)) return value;
    if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return []; // as Barman takes it
  } catch {
    // told below, without the text: it can hold a password
  }
  throw invalid('the changes are not a JSON array', 'write [{"scope": "server", "server_name": "NAME", "OPTION": "VALUE"}]');
}

function readChange(value: unknown, place: string): Change {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${place} is not a JSON object`, 'write {"scope": "server", "server_name": "NAME", "OPTION": "VALUE"}');
  }
  const { scope, ...others } = value as Readonly<Record<string, unknown>>; // an object, as just tested
  if (scope !== 'server' && scope !== 'model') {
    const problem = `'scope' is invalid: '${typeof scope === 'string' ? scope : 'None'}'. It should be either 'server' or 'model'.`;
    throw invalid(
      `${place}: scope is ${scope === undefined ? 'missing' : 'invalid'}`,
      'it is either "server" or "model"',
      sectionRefused(value, problem),
    );
  }
  const nameKey = `${scope}_name`;
  const { [nameKey]: section, ...options } = others;
  if (typeof section !== 'string' || section === '') {
    throw invalid(
      `${place}: ${nameKey} is missing`,
      `name the ${scope} that is to be changed`,
      sectionRefused(value, `'${nameKey}' is missing.`),
    );
  }
  const texts = new Map<string, string>();
  for (const [key, wanted] of Object.entries(options)) {
    const found = valueText(wanted);
    if (found === undefined) {
      const asBarman = ['Unable to process a set of changes. Exiting.'];
      throw invalid(`${place}: the value of ${key} is not a text`, 'write each value as a JSON string', asBarman);
    }
    texts.set(key, found.trim());
  }
  return { scope, section, options: texts };
}

/** A new model becomes one by its option `model`. */
function completed(change: Change, { serverNames, modelNames }: Surroundings, place: string): Change {
  const { scope, section, options } = change;
  const [own, others] = scope === 'server' ? [serverNames, modelNames] : [modelNames, serverNames];
  if (others.includes(section)) {
    const problem = `'${section}' is a ${scope === 'server' ? 'model' : 'server'}, not a ${scope}`;
    throw invalid(`${place}: ${problem}`, 'correct its scope', sectionRefused(asAsked(change), `${problem}.`));
  }
  if (own.includes(section)) return change;
  const named: Section = { name: section, file: 'config-update', line: 1, settings: new Map() };
  if (isGlobalSection(named) || section === 'DEFAULT' || /[\][]/.test(section)) {
    throw invalid(`${place}: '${section}' cannot be the name of a ${scope}`, 'choose another name');
  }
  refuseUnusableName(named);
  if (scope === 'server') return change;
  if (!options.has('cluster')) {
    const asBarman = sectionRefused(asAsked(change), "new model but 'cluster' is missing.");
    throw invalid(`${place}: the new model '${section}' has no cluster`, 'add "cluster": "NAME"', asBarman);
  }
  return { ...change, options: new Map([...options, ['model', 'on']]) };
}

/** The object as it was written. */
function asAsked({ scope, section, options }: Change): object {
  return { scope, [`${scope}_name`]: section, ...Object.fromEntries(options) };
}

interface Wanted {
  readonly key: string;
  readonly wanted: string;
  readonly place: string;
}

function refuseUnreadable(change: Change, { key, wanted, place }: Wanted): void {
  const { scope, section } = change;
  const kind = kindOf(scope, key);
  if (kind === undefined) {
    const problem = `'${key.slice(0, 60)}' is not an option of a ${scope}`;
    const asBarman = [`Invalid option '${key}' for ${scope} '${section}'`, sectionRefused(asAsked(change), '').at(-1) ?? ''];
    throw invalid(`${place}: ${problem}`, 'docs/configuration.md lists them', asBarman);
  }
  if (hasControlCharacter(wanted) || /[\u2028\u2029]/.test(wanted)) {
    throw invalid(`${place}: the value of ${key} has a line break or a control character`, 'write it on one line');
  }
  const context = { notes: { warnings: [] as string[], logWarnings: [] as string[] }, homeFolder: '/', voice: 'own' as const };
  const [read] = sectionsOf(parseIni(`[${section}]\n${key} = ${wanted}\n`, 'config-update'), 'config-update');
  if (read !== undefined) readSetting(key, kind, read, context);
  if (context.notes.warnings.length === 0) return;
  throw invalid(`${place}: the value of ${key} cannot be read`, context.notes.warnings.at(-1)?.replace(/^.*: /, '') ?? '');
}

function kindOf(scope: Change['scope'], key: string): Parameters<typeof readSetting>[1] | undefined {
  if (key === 'model') return scope === 'model' ? flag : undefined;
  if (!isServerOption(key)) return undefined;
  const declaration = declarationOf(key);
  if (declaration.scope === 'internal' || (scope === 'model' && !declaration.scope.endsWith('M'))) return undefined;
  return key === 'retention_policy' ? text : declaration.kind;
}

/** The file that says it now: of the section, else of the global one; what stands nowhere yet goes into the automatic file. */
function fileOf(name: string, key: string, { sections, automatic }: ConfigurationFiles): string {
  const own = sections.find((section) => section.name === name)?.settings.get(key);
  const global = sections.find(isGlobalSection)?.settings.get(key);
  return (own ?? global)?.file ?? automatic;
}

/** Barman's two lines about an object; it shows all values, of which only those that say what is to be changed are never a secret. */
function sectionRefused(change: object, problem: string): readonly string[] {
  const shown = new Map<string, PythonValue>();
  for (const [key, value] of Object.entries(change)) {
    const isOpen = typeof value === 'string' && ['scope', 'server_name', 'model_name'].includes(key);
    shown.set(key, isOpen ? value : '*');
  }
  const section = formatPythonLiteral(shown);
  return [`Invalid section ${section}: ${problem}`, `Aborting config\u2010update: invalid section ${section}`];
}

function invalid(message: string, hint: string, asBarman?: readonly string[]): OperatorError {
  return new OperatorError('configuration-invalid', `config-update: ${message}; nothing was changed`, { hint, asBarman });
}
