import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { GlobalOptions } from './options.ts';
import { parseIni } from './parse-ini.ts';
import type { Notes } from './read-setting.ts';
import { type Section, sectionsOf } from './sections.ts';

/** The content of one file. @throws OperatorError `file-unreadable` */
export function readConfigurationText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why = systemCodeOf(error) ?? messageOf(error);
    throw new OperatorError('file-unreadable', `cannot read the configuration file ${path} (${why})`, {
      hint: 'the user that runs the program must be able to read it',
      cause: error,
    });
  }
}

/** Reads the files beside the main one, in order, each with its sections: the included folder, then `.barman.auto.conf`. */
export function readIncludedFiles(global: GlobalOptions, notes: Notes): readonly (readonly Section[])[] {
  const paths = includedFiles(global.configuration_files_directory, notes);
  const automatic = automaticFile(global.barman_home);
  if (isThere(automatic)) paths.push(automatic);
  return paths.map((path) => sectionsOf(parseIni(readConfigurationText(path), path), path));
}

/** Where `config-update` writes what stands nowhere yet (docs/reference/catalog.md section 14.4). */
export function automaticFile(home: string): string {
  return join(home, '.barman.auto.conf');
}

function includedFiles(folder: string | undefined, notes: Notes): string[] {
  if (folder === undefined) return [];
  const names = namesIn(folder);
  if (names === undefined) {
    notes.logWarnings.push(`configuration_files_directory ${folder} is not a folder; no file is included`);
    return [];
  }
  const paths: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (isRegularFile(path)) paths.push(path);
    else notes.logWarnings.push(`${path} is not a regular file and is not included`);
  }
  return paths;
}

function namesIn(folder: string): readonly string[] | undefined {
  try {
    const names = readdirSync(folder);
    const included = names.filter((name) => name.endsWith('.conf') && !name.startsWith('.'));
    return included.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder} (${code ?? messageOf(error)})`, {
      hint: 'configuration_files_directory must be readable by the user that runs the program',
      cause: error,
    });
  }
}

function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** A file that cannot be looked at counts as there, so that reading it tells why. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
