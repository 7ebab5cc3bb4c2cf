import type { Voice } from '../shared/voice.ts';
import { type ConfigurationRequest, findConfigurationFile } from './find-configuration-file.ts';
import type { GlobalOptions } from './options.ts';
import { type IniFile, parseIni } from './parse-ini.ts';
import { automaticFile, readConfigurationText, readIncludedFiles } from './read-configuration-files.ts';
import { readGlobalOptions, readServerDefaults, type ServerDefaults } from './read-global-section.ts';
import { isModelSection, readModel } from './read-models.ts';
import { readServer } from './read-server.ts';
import type { ReadingContext } from './read-setting.ts';
import {
  globalSectionOf,
  isGlobalSection,
  mergeSections,
  refuseGlobalChange,
  refuseUnusableName,
  type Section,
  sectionsOf,
} from './sections.ts';
import type { Configuration } from './server-config.ts';
import { sharedFolders } from './shared-folders.ts';

export type { ConfigurationRequest } from './find-configuration-file.ts';

/** The main file alone: enough to know which user to become and where to log. */
export interface MainConfiguration {
  readonly path: string;
  readonly text: string;
  /** Its content, so that the user that we become need not be able to read it. */
  readonly file: IniFile;
  /** From the main file's global section alone. */
  readonly global: GlobalOptions;
  /** Warnings of the global section; {@link Configuration} repeats them. */
  readonly warnings: readonly string[];
}

/**
 * Finds and reads the main file: `-c`, `PGCELLAR_CONFIG_FILE`, `BARMAN_CONFIG_FILE`, then the usual places (product.md section 3).
 * @throws OperatorError `configuration-missing`, `configuration-invalid` or `file-unreadable`
 */
export function loadMainConfiguration(request: ConfigurationRequest): MainConfiguration {
  const path = findConfigurationFile(request);
  const text = request.handed?.text ?? readConfigurationText(path);
  const file = parseIni(text, path);
  const context = newContext(request.homeFolder, 'own');
  const { global } = readGlobal(globalSectionOf(sectionsOf(file, path), path), context);
  return { path, text, file, global, warnings: context.notes.warnings };
}

/**
 * Reads everything else, as the user that owns the catalog: included files, `.barman.auto.conf`, active models. Connects to
 * nothing, so problems that only a server can show are found by the work that needs it and by `check`.
 * @param homeFolder of the user that we run as by now, for `~` in paths
 * @param voice of the problems and warnings that Barman has words for
 * @throws OperatorError `configuration-invalid` or `file-unreadable`
 */
export function loadConfiguration(main: MainConfiguration, homeFolder: string, voice: Voice = 'own'): Configuration {
  const context = newContext(homeFolder, voice);
  const own = sectionsOf(main.file, main.path);
  const globalSection = globalSectionOf(own, main.path);
  const { global, defaults } = readGlobal(globalSection, context);
  const included = readIncludedFiles(global, context.notes);
  for (const sections of included) refuseGlobalChange(globalSection, sections);
  const others = mergeSections([...own, ...included.flat()]).filter((section) => !isGlobalSection(section));
  others.forEach(refuseUnusableName);
  const modelSections = others.filter((section) => isModelSection(section, context));
  const models = byName(modelSections).map((section) => readModel(section, context));
  const servers = byName(others.filter((other) => !modelSections.includes(other))).map((section) =>
    readServer(section, { home: global.barman_home, defaults, models }, context),
  );
  const globalProblems = sharedFolders(servers, voice);
  const { warnings: globalWarnings, logWarnings: globalLogWarnings } = context.notes;
  return {
    path: main.path,
    global,
    servers,
    models,
    globalProblems,
    globalWarnings,
    globalLogWarnings,
    warnings: [
      ...globalWarnings,
      ...servers.flatMap(({ warnings }) => warnings),
      ...servers.flatMap(({ assumptions }) => assumptions),
    ],
    logWarnings: [...globalLogWarnings, ...servers.flatMap(({ logWarnings }) => logWarnings)],
  };
}

/** The files that the configuration is read from, in their order, each with its sections: what changes are written into. */
export interface ConfigurationFiles {
  readonly main: string;
  /** Written by `config-update` alone; it need not be there. */
  readonly automatic: string;
  /** Every section over all files, the global one included; settings know their file. */
  readonly sections: readonly Section[];
  readonly paths: ReadonlySet<string>;
}

/** Reads where each option stands. @throws as {@link loadConfiguration} */
export function readConfigurationFiles(main: MainConfiguration, homeFolder: string): ConfigurationFiles {
  const own = sectionsOf(main.file, main.path);
  const { global } = readGlobal(globalSectionOf(own, main.path), newContext(homeFolder, 'own'));
  const included = readIncludedFiles(global, newContext(homeFolder, 'own').notes);
  const all = [...own, ...included.flat()];
  const automatic = automaticFile(global.barman_home);
  return {
    main: main.path,
    automatic,
    sections: mergeSections(all),
    paths: new Set([main.path, automatic, ...all.map(({ file }) => file)]),
  };
}

function newContext(homeFolder: string, voice: Voice): ReadingContext {
  return { notes: { warnings: [], logWarnings: [] }, homeFolder, voice };
}

function readGlobal(
  section: Section,
  context: ReadingContext,
): { readonly global: GlobalOptions; readonly defaults: ServerDefaults } {
  return { global: readGlobalOptions(section, context), defaults: readServerDefaults(section, context) };
}

function byName(sections: readonly Section[]): readonly Section[] {
  return sections.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
