import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRetentionPolicy } from '../retention/retention-policy.ts';
import { messageOf, systemCodeOf } from '../shared/operator-error.ts';
import { spoken, type Voice } from '../shared/voice.ts';
import { isStoreUrl } from './option-kind.ts';
import {
  declarationOf,
  isServerOption,
  type KnownValues,
  type ServerOptionName,
  type ServerOptions,
  serverOptionNames,
} from './options.ts';
import type { ServerDefaults } from './read-global-section.ts';
import { type Given, type ReadingContext, readSetting, unknownOption } from './read-setting.ts';
import type { Section } from './sections.ts';
import type { ModelConfig, RetentionSetting, ServerConfig, ServerName } from './server-config.ts';
import { assumptionsAbout, problemsOf } from './server-problems.ts';
import { foldersOf, relativeFolders, repeatedFolders } from './shared-folders.ts';
import { withoutSecret } from './without-secret.ts';

/** The layers below the section of a server. */
export interface ServerSurroundings {
  readonly home: string;
  readonly defaults: ServerDefaults;
  readonly models: readonly ModelConfig[];
}

type Sources = Partial<Record<ServerOptionName, string>>;

interface Resolved {
  readonly values: ReadonlyMap<ServerOptionName, unknown>;
  readonly sources: Sources;
}

/** Reads one server section with everything below and above it: active model, `[barman]`, defaults. */
export function readServer(section: Section, around: ServerSurroundings, { homeFolder, voice }: ReadingContext): ServerConfig {
  const context: ReadingContext = { notes: { warnings: [], logWarnings: [] }, homeFolder, voice };
  const name = section.name as ServerName; // refuseUnusableName has passed it
  const own = readOwn(section, context);
  tellUnknownKeys(section, context);
  const plain = optionsOf(resolve(name, [own, around.defaults], around.home));
  const active = readActiveModel(name, plain.backup_directory, around.models, voice);
  const layers = active.model === undefined ? [own, around.defaults] : [modelLayer(active.model), own, around.defaults];
  const resolved = resolve(name, layers, around.home);
  const assumed = assumptionsAbout(name, optionsOf(resolved), voice);
  context.notes.warnings.push(...relativeFolders(name, assumed.options));
  const problems = [
    ...repeatedFolders(name, foldersOf(assumed.options), voice),
    ...(active.problem === undefined ? [] : [active.problem]),
    ...problemsOf(name, assumed.options, voice),
  ];
  return {
    name,
    options: { ...assumed.options, disabled: problems.length > 0 },
    sources: resolved.sources,
    activeModel: active.model?.name,
    isActive: assumed.options.active,
    isPassive: assumed.options.primary_ssh_command !== undefined,
    retention: retentionOf(name, assumed.options.retention_policy, context),
    problems,
    ...context.notes,
    assumptions: assumed.warnings,
  };
}

function readOwn(section: Section, context: ReadingContext): ServerDefaults {
  const own = new Map<ServerOptionName, Given>();
  for (const key of serverOptionNames) {
    const { kind, scope } = declarationOf(key);
    const given = scope === 'internal' ? undefined : readSetting(key, kind, section, context);
    if (given !== undefined) own.set(key, given);
  }
  return own;
}

function tellUnknownKeys(section: Section, { notes, voice }: ReadingContext): void {
  for (const [key, setting] of section.settings) {
    if (!isServerOption(key)) notes.warnings.push(unknownOption(key, { setting, section }, voice));
  }
}

function modelLayer(model: ModelConfig): ServerDefaults {
  const layer = new Map<ServerOptionName, Given>();
  for (const key of serverOptionNames) {
    const file = model.sources[key];
    if (file !== undefined) layer.set(key, { value: model.options[key], file });
  }
  return layer;
}

/** The first layer that has an option decides; an option that is unset there falls to its default. */
function resolve(name: ServerName, layers: readonly ServerDefaults[], home: string): Resolved {
  const values = new Map<ServerOptionName, unknown>();
  const sources: Sources = {};
  const known = { name, home, backupDirectory: '', walsDirectory: '', conninfo: undefined as string | undefined };
  const settle = (key: ServerOptionName): unknown => {
    const given = layers.map((layer) => layer.get(key)).find((found) => found !== undefined);
    if (given !== undefined) sources[key] = given.file;
    const value = given?.value ?? defaultOf(key, known);
    values.set(key, value);
    return value;
  };
  known.backupDirectory = settle('backup_directory') as string; // its default is derived, so it is never unset
  const wals = settle('wals_directory') as string; // as above
  known.walsDirectory = isStoreUrl(wals) ? join(known.backupDirectory, 'meta') : wals;
  known.conninfo = settle('conninfo') as string | undefined; // the option is text
  for (const key of serverOptionNames) {
    if (!values.has(key)) settle(key);
  }
  return { values, sources };
}

function defaultOf(key: ServerOptionName, known: KnownValues): unknown {
  const declaration = declarationOf(key);
  return declaration.derive === undefined ? declaration.default : declaration.derive(known);
}

function optionsOf({ values }: Resolved): ServerOptions {
  // all keys are there, each read by the kind that its type comes from
  return Object.fromEntries(serverOptionNames.map((key) => [key, values.get(key)])) as ServerOptions;
}

function readActiveModel(
  server: ServerName,
  backupDirectory: string,
  models: readonly ModelConfig[],
  voice: Voice,
): { readonly model?: ModelConfig | undefined; readonly problem?: string } {
  const file = join(backupDirectory, '.active-model.auto');
  let name: string;
  try {
    name = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    return {
      problem: `server '${server}': the name of the active model cannot be read from ${file} (${code ?? messageOf(error)})`,
    };
  }
  if (name === '') return {};
  const model = models.find((candidate) => candidate.name === name);
  if (model !== undefined) return { model };
  const shown = withoutSecret(name);
  const text = `server '${server}': the active model '${shown}' of ${file} is not configured`;
  const asBarman = `Model '${shown}' is set as the active model for the server '${server}' but the model does not exist.`;
  return { problem: spoken(text, { asBarman }, voice) ?? text };
}

function retentionOf(name: ServerName, text: string | undefined, { notes }: ReadingContext): RetentionSetting {
  if (text === undefined) return { kind: 'not-enforced' };
  const policy = parseRetentionPolicy(text);
  if (policy !== undefined) return { kind: 'enforced', policy };
  notes.logWarnings.push(`Cannot read retention_policy '${withoutSecret(text)}' of server '${name}'; no policy is enforced`);
  return { kind: 'invalid', text };
}
