import { flag } from './option-kind.ts';
import { declarationOf, isServerOption, type ServerOptionName, serverOptionNames } from './options.ts';
import { type ReadingContext, readSetting, unknownOption } from './read-setting.ts';
import { invalid, type Section } from './sections.ts';
import type { ModelConfig } from './server-config.ts';

/**
 * Whether a section is a model: it has `model = true`.
 * @throws OperatorError `configuration-invalid` when `model` is no boolean
 */
export function isModelSection(section: Section, context: ReadingContext): boolean {
  const setting = section.settings.get('model');
  if (setting === undefined) return false;
  const given = readSetting('model', flag, section, { ...context, notes: { warnings: [], logWarnings: [] } });
  if (given !== undefined) return given.value === true;
  throw invalid(setting, `model of [${section.name}] is neither true nor false`, 'write model = true for a model');
}

/**
 * Reads a model: the options that it sets, which an empty value does not.
 * @throws OperatorError `configuration-invalid` when it has no cluster
 */
export function readModel(section: Section, context: ReadingContext): ModelConfig {
  const options = new Map<ServerOptionName, unknown>();
  const sources: Partial<Record<ServerOptionName, string>> = {};
  for (const key of serverOptionNames.filter(isModelOption)) {
    const given = readSetting(key, declarationOf(key).kind, section, context);
    if (given?.value === undefined) continue;
    options.set(key, given.value);
    sources[key] = given.file;
  }
  tellUnknownKeys(section, context);
  const cluster = options.get('cluster');
  if (typeof cluster !== 'string') {
    throw invalid(section, `the model [${section.name}] has no cluster`, 'add cluster = NAME, as its servers have it');
  }
  return { name: section.name, cluster, options: Object.fromEntries(options), sources };
}

function tellUnknownKeys(section: Section, { notes, voice }: ReadingContext): void {
  for (const [key, setting] of section.settings) {
    if (key === 'model' || (isServerOption(key) && isModelOption(key)) || key === 'disabled') continue;
    notes.warnings.push(unknownOption(key, { setting, section }, voice));
  }
}

function isModelOption(key: ServerOptionName): boolean {
  return declarationOf(key).scope.endsWith('M');
}
