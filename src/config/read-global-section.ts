import { join } from 'node:path';
import {
  declarationOf,
  type GlobalOptionName,
  type GlobalOptions,
  globalOptions,
  isGlobalOption,
  isServerOption,
  type OptionDeclaration,
  type ServerOptionName,
  serverOptionNames,
} from './options.ts';
import { type Given, type Notes, placeOf, type ReadingContext, readSetting, unknownOption } from './read-setting.ts';
import { invalid, type Section } from './sections.ts';

/** Values of `[barman]` that servers fall back on. */
export type ServerDefaults = ReadonlyMap<ServerOptionName, Given>;

const levelNames = ['NOTSET', 'DEBUG', 'INFO', 'WARN', 'WARNING', 'ERROR', 'FATAL', 'CRITICAL'];

/**
 * Reads the options that only the global section has.
 * @throws OperatorError `configuration-invalid` when `barman_home` is missing
 */
export function readGlobalOptions(section: Section, context: ReadingContext): GlobalOptions {
  const valueOf = (key: GlobalOptionName): unknown => {
    const declaration: Omit<OptionDeclaration, 'scope'> = globalOptions[key];
    return readSetting(key, declaration.kind, section, context)?.value ?? declaration.default;
  };
  const textOf = (key: GlobalOptionName): string | undefined => valueOf(key) as string | undefined; // all but the flag are text or path
  const home = textOf('barman_home');
  if (home === undefined) {
    throw invalid(
      section,
      `barman_home is missing in [${section.name}]`,
      'add barman_home = FOLDER, the folder of the catalog',
    );
  }
  return {
    barman_home: home,
    barman_lock_directory: textOf('barman_lock_directory') ?? home,
    barman_user: textOf('barman_user') ?? globalOptions.barman_user.default,
    config_changes_queue: textOf('config_changes_queue') ?? join(home, 'cfg_changes.queue'),
    configuration_files_directory: textOf('configuration_files_directory'),
    lock_directory_cleanup: valueOf('lock_directory_cleanup') !== false,
    log_file: textOf('log_file'),
    log_format: textOf('log_format') ?? globalOptions.log_format.default,
    log_level: levelOf(textOf('log_level') ?? globalOptions.log_level.default, context.notes),
  };
}

/** Reads what the global section says for all servers, and tells about keys that nothing knows. */
export function readServerDefaults(section: Section, context: ReadingContext): ServerDefaults {
  const defaults = new Map<ServerOptionName, Given>();
  for (const key of serverOptionNames) {
    const { kind, scope } = declarationOf(key);
    if (!scope.startsWith('G')) continue;
    const given = readSetting(key, kind, section, context);
    if (given !== undefined) defaults.set(key, given);
  }
  tellUselessKeys(section, context);
  return defaults;
}

function tellUselessKeys(section: Section, { notes, voice }: ReadingContext): void {
  for (const [key, setting] of section.settings) {
    if (isGlobalOption(key)) continue;
    if (!isServerOption(key)) {
      notes.warnings.push(unknownOption(key, { setting, section }, voice));
    } else if (!declarationOf(key).scope.startsWith('G') && !setting.isDefault) {
      notes.logWarnings.push(`${key} in ${placeOf(setting, section)} has no effect: each server sets it for itself`);
    }
  }
}

function levelOf(text: string, notes: Notes): string {
  const level = text.toUpperCase();
  if (levelNames.includes(level) || /^\d+$/.test(level)) return level;
  notes.logWarnings.push(`Unknown log_level '${text}'; INFO is used`);
  return 'INFO';
}
