import { constants } from 'node:fs';
import { chmod, copyFile, lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { RecoverySettings } from './recovery-settings.ts';
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

const autoConf = 'postgresql.auto.conf';
/** Only looked for: a server does not start without them. */
const neededFiles = ['pg_hba.conf', 'pg_ident.conf'] as const;
/** `archive_library` came with this version. */
const libraryKnownSince = 150_000;

/**
 * Reviews the configuration files in a restored data folder and rewrites them, the original kept beside each as `.origin` with its mode.
 * When `postgresql.conf` includes other files, archiving is turned off in `postgresql.auto.conf`, which is read last: what they say
 * about it has no effect then.
 */
export async function mangleConfiguration(
  dataFolder: string,
  version: number,
  recoveryFile: string | undefined,
): Promise<MangledConfiguration> {
  const changes: MangledLine[] = [];
  const warnings: MangledLine[] = [];
  const missingFiles: string[] = [];
  const linkedFiles: string[] = [];
  let isArchivingIncluded = false;
  const names = [
    'postgresql.conf',
    autoConf,
    ...(recoveryFile === undefined || recoveryFile === autoConf ? [] : [recoveryFile]),
  ];
  for (const file of names) {
    const found = await readRegularFile(join(dataFolder, file));
    if (found.kind === 'missing' && file !== recoveryFile) missingFiles.push(file);
    if (found.kind === 'link') linkedFiles.push(file);
    if (found.kind !== 'file') continue;
    const review = reviewConfiguration(found.text);
    isArchivingIncluded ||= includesOthers(review);
    const forced = file === autoConf && isArchivingIncluded ? forcedLines(review.text, version) : [];
    changes.push(...review.changes.map((change) => ({ file, ...change })), ...forced.map((change) => ({ file, ...change })));
    warnings.push(...review.warnings.map((warning) => ({ file, ...warning })));
    await replaceFile(
      join(dataFolder, file),
      withLines(
        review.text,
        forced.map(({ key, value }) => `${key} = ${value ?? ''}`),
      ),
      found.mode,
    );
  }
  for (const file of neededFiles)
    if ((await readRegularFile(join(dataFolder, file))).kind === 'missing') missingFiles.push(file);
  return { changes, warnings, missingFiles, linkedFiles };
}

/**
 * Writes the recovery settings: at the end of a file of the backup, or into one of their own; then the signal file.
 * @throws OperatorError `destination-unusable` when that file is a symbolic link or a folder
 */
export async function writeRecoverySettings(dataFolder: string, settings: RecoverySettings): Promise<void> {
  const path = join(dataFolder, settings.fileName);
  const found = await readRegularFile(path);
  if (found.kind === 'link' || found.kind === 'other') {
    throw new OperatorError(
      'destination-unusable',
      `recovery settings cannot be written to ${path}: the backup has no regular file there`,
    );
  }
  const before = found.kind === 'file' && settings.isAppended ? found.text : undefined;
  // their own bytes are UTF-8, the file's are kept as they are
  const lines = Buffer.from(settings.lines.map((line) => `${line}\n`).join(''), 'utf8').toString('latin1');
  const content = before === undefined ? lines : settings.lines.length === 0 ? before : `${before}\n${lines}`;
  await writeFileDurably(path, Buffer.from(content, 'latin1'), { mode: 0o600 });
  if (found.kind === 'file') await chmod(path, found.mode);
  if (settings.signalName !== undefined) await writeFileDurably(join(dataFolder, settings.signalName), '', { mode: 0o600 });
}

type FoundFile =
  | { readonly kind: 'file'; readonly text: string; readonly mode: number }
  | { readonly kind: 'missing' | 'link' | 'other' };

/** One character a byte. */
async function readRegularFile(path: string): Promise<FoundFile> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return { kind: 'link' };
    if (!stats.isFile()) return { kind: 'other' };
    return { kind: 'file', text: await readFile(path, 'latin1'), mode: stats.mode & 0o777 };
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return { kind: 'missing' };
    throw error;
  }
}

async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  await copyFile(path, `${path}.origin`, constants.COPYFILE_EXCL);
  await writeFileDurably(path, Buffer.from(text, 'latin1'), { mode });
  await chmod(path, mode);
}

function forcedLines(text: string, version: number): readonly ReviewedLine[] {
  const keys: [string, string][] = [['archive_command', 'false']];
  if (version >= libraryKnownSince) keys.push(['archive_library', "''"]);
  const first = text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0);
  return keys.map(([key, value], index) => ({ line: first + index, key, value }));
}

function withLines(text: string, lines: readonly string[]): string {
  if (lines.length === 0) return text;
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${text}${separator}${lines.map((line) => `${line}\n`).join('')}`;
}
