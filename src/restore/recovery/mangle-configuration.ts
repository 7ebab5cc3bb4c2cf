import { join } from 'node:path';
import type { Backup } from '../../catalog/backups/backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import { isWithin } from '../plan/plan-destination.ts';
import { type RecoverySettings, targetSettings } from './recovery-settings.ts';
import { includesOthers, type ReviewedLine, reviewConfiguration } from './review-configuration.ts';

/** A line of a configuration file with the file that it stands in. */
interface MangledLine extends ReviewedLine {
  readonly file: string;
}

export interface MangledConfiguration {
  readonly changes: readonly MangledLine[];
  readonly warnings: readonly MangledLine[];
  readonly missingFiles: readonly string[];
  /** Files that are symbolic links: what they point to is not ours to change. */
  readonly linkedFiles: readonly string[];
}

/** The changes that a restore makes to the configuration, with every file as it has to be written. */
interface ConfigurationPlan extends MangledConfiguration {
  readonly rewritten: readonly { readonly file: string; readonly text: string; readonly mode: number }[];
}

export type FoundFile =
  /** One character a byte. */
  { readonly kind: 'file'; readonly text: string; readonly mode: number } | { readonly kind: 'missing' | 'link' | 'other' };

/** Gives a file of a data folder by its name. */
export type ReadConfiguration = (name: string) => Promise<FoundFile>;

const autoConf = 'postgresql.auto.conf';
/** Only looked for: a server does not start without them. */
const neededFiles = ['pg_hba.conf', 'pg_ident.conf'] as const;
/** `archive_library` came with this version. */
const libraryKnownSince = 150_000;

/** Every file of a data folder that a restore looks at. */
export function configurationFiles(recoveryFile: string | undefined): readonly string[] {
  return [...reviewedFiles(recoveryFile), ...neededFiles];
}

interface ConfigurationFacts {
  readonly version: number;
  readonly recoveryFile: string | undefined;
  /** The server that was backed up read its configuration from another folder. */
  readonly isConfiguredElsewhere?: boolean;
  /** Recovery targets that files set which are taken in, as they are spelled there: PostgreSQL does not start with two of them, not even when it recovers to none. */
  readonly includedTargets?: readonly string[];
}

/** Whether a server that was backed up read its configuration from outside of its data folder, as Debian has it. */
export function isConfiguredElsewhere({ configFile, pgdata }: Pick<Backup, 'configFile' | 'pgdata'>): boolean {
  return configFile !== null && pgdata !== null && !isWithin(configFile, pgdata);
}

/**
 * Reviews the configuration files of a backup or of a restored data folder: the same files give the same plan. When `postgresql.conf` includes other files,
 * or lies elsewhere, archiving is turned off in `postgresql.auto.conf`, which is read last: what they say about it has no effect then.
 */
export async function planConfiguration(
  read: ReadConfiguration,
  { version, recoveryFile, isConfiguredElsewhere: isElsewhere = false, includedTargets = [] }: ConfigurationFacts,
): Promise<ConfigurationPlan> {
  const changes: MangledLine[] = [];
  const warnings: MangledLine[] = [];
  const missingFiles: string[] = [];
  const linkedFiles: string[] = [];
  const rewritten: { file: string; text: string; mode: number }[] = [];
  let isArchivingElsewhere = isElsewhere;
  const resetTargets = includedTargets.length > 0 && recoveryFile === undefined ? [...targetSettings, ...includedTargets] : [];
  for (const file of reviewedFiles(recoveryFile)) {
    const found = await read(file);
    if (found.kind === 'missing' && file !== recoveryFile) missingFiles.push(file);
    if (found.kind === 'link') linkedFiles.push(file);
    // settings in a link, or in a file of another folder, are not reviewed either
    if (found.kind !== 'file' && file === 'postgresql.conf') isArchivingElsewhere = true;
    const isMade = found.kind === 'missing' && file === autoConf && isArchivingElsewhere;
    if (found.kind !== 'file' && !isMade) continue;
    const { text: before, mode } = found.kind === 'file' ? found : { text: '', mode: 0o600 };
    const review = reviewConfiguration(before);
    isArchivingElsewhere ||= includesOthers(review);
    const forced = file === autoConf && isArchivingElsewhere ? forcedLines(review.text, version, resetTargets) : [];
    changes.push(...review.changes.map((change) => ({ file, ...change })), ...forced.map((change) => ({ file, ...change })));
    warnings.push(...review.warnings.map((warning) => ({ file, ...warning })));
    const lines = forced.map(({ key, value }) => `${key} = ${value ?? ''}`);
    rewritten.push({ file, text: withLines(review.text, lines), mode });
  }
  for (const file of neededFiles) if ((await read(file)).kind === 'missing') missingFiles.push(file);
  return { changes, warnings, missingFiles, linkedFiles, rewritten };
}

/** Rewrites the configuration of a restored data folder, the original kept beside each file as `.origin` with its mode. */
export async function mangleConfiguration(
  restoreHost: RestoreHost,
  { dataFolder, ...facts }: ConfigurationFacts & { readonly dataFolder: string },
): Promise<MangledConfiguration> {
  const read: ReadConfiguration = async (name) => await readRegularFile(restoreHost, join(dataFolder, name));
  const { rewritten, ...mangled } = await planConfiguration(read, facts);
  for (const { file, text, mode } of rewritten) {
    const path = join(dataFolder, file);
    if ((await restoreHost.find(path)) !== undefined)
      await restoreHost.writeFile(`${path}.origin`, await restoreHost.readFile(path), mode);
    await restoreHost.writeFile(path, Buffer.from(text, 'latin1'), mode);
  }
  return mangled;
}

/**
 * Writes the recovery settings: at the end of a file of the backup, or into one of their own; then the signal file.
 * @throws OperatorError `destination-unusable` when that file is a symbolic link or a folder
 */
export async function writeRecoverySettings(
  restoreHost: RestoreHost,
  dataFolder: string,
  settings: RecoverySettings,
): Promise<void> {
  const path = join(dataFolder, settings.fileName);
  const found = await readRegularFile(restoreHost, path);
  const refusal = refusalOf(found, path);
  if (refusal !== undefined) throw refusal;
  const before = found.kind === 'file' && settings.isAppended ? found.text : undefined;
  const content = withRecoverySettings(before, [...settings.neutralised, ...settings.lines]);
  await restoreHost.writeFile(path, Buffer.from(content, 'latin1'), found.kind === 'file' ? found.mode : 0o600);
  if (settings.signalName !== undefined)
    await restoreHost.writeFile(join(dataFolder, settings.signalName), Buffer.alloc(0), 0o600);
}

/** Why recovery settings cannot be written to a file of the backup; undefined when they can. */
export function refusalOf(found: FoundFile, path: string): OperatorError | undefined {
  if (found.kind !== 'link' && found.kind !== 'other') return undefined;
  return new OperatorError(
    'destination-unusable',
    `recovery settings cannot be written to ${path}: the backup has no regular file there`,
  );
}

/** That the backup has no `postgresql.conf`, where its server had it, and what to do: as a warning, or none. */
export function withoutConfiguration(
  files: ReadonlyMap<string, FoundFile> | undefined,
  { configFile }: Pick<Backup, 'configFile'>,
  dataFolder: string,
): readonly string[] {
  if (files?.get('postgresql.conf')?.kind !== 'missing') return [];
  const lay = configFile === null ? '' : `: its server read ${configFile}`;
  return [
    `postgresql.conf is not part of the backup${lay}. PostgreSQL does not start without one: put it, pg_hba.conf and pg_ident.conf into ${dataFolder}, or start with -c config_file=FILE`,
  ];
}

/** Text of a file with the settings at its end, after an empty line; their own bytes are UTF-8, the file's are kept as they are. */
function withRecoverySettings(before: string | undefined, settings: readonly string[]): string {
  const lines = Buffer.from(settings.map((line) => `${line}\n`).join(''), 'utf8').toString('latin1');
  if (before === undefined) return lines;
  return settings.length === 0 ? before : `${before}\n${lines}`;
}

function reviewedFiles(recoveryFile: string | undefined): readonly string[] {
  return ['postgresql.conf', autoConf, ...(recoveryFile === undefined || recoveryFile === autoConf ? [] : [recoveryFile])];
}

async function readRegularFile(restoreHost: RestoreHost, path: string): Promise<FoundFile> {
  const found = await restoreHost.find(path);
  if (found === undefined) return { kind: 'missing' };
  if (found.kind !== 'file') return { kind: found.kind === 'link' ? 'link' : 'other' };
  return { kind: 'file', text: (await restoreHost.readFile(path)).toString('latin1'), mode: found.mode & 0o777 };
}

function forcedLines(text: string, version: number, resetTargets: readonly string[]): readonly ReviewedLine[] {
  const keys: [string, string][] = [['archive_command', 'false']];
  if (version >= libraryKnownSince) keys.push(['archive_library', "''"]);
  for (const key of new Set(resetTargets)) keys.push([key, "''"]);
  const first = text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0);
  return keys.map(([key, value], index) => ({ line: first + index, key, value }));
}

function withLines(text: string, lines: readonly string[]): string {
  if (lines.length === 0) return text;
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${text}${separator}${lines.map((line) => `${line}\n`).join('')}`;
}
