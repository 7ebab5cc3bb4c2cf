import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { GlobalOptions } from './options.ts';
import { type IniFile, parseIni } from './parse-ini.ts';
import type { Notes } from './read-setting.ts';
import { type Section, sectionsOf } from './sections.ts';

/**
 * Reads one file.
 * @throws OperatorError `file-unreadable` or `configuration-invalid`
 */
export async function readIniFile(path: string): Promise<IniFile> {
  try {
    return parseIni(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const why = systemCodeOf(error) ?? messageOf(error);
    throw new OperatorError('file-unreadable', `cannot read the configuration file ${path} (${why})`, {
      hint: 'the user that runs the program must be able to read it',
      cause: error,
    });
  }
}

/** Reads the files beside the main one, in order, each with its sections: the included folder, then `.barman.auto.conf`. */
export async function readIncludedFiles(global: GlobalOptions, notes: Notes): Promise<readonly (readonly Section[])[]> {
  const paths = await includedFiles(global.configuration_files_directory, notes);
  const automatic = automaticFile(global.barman_home);
  if (await isThere(automatic)) paths.push(automatic);
  const read: (readonly Section[])[] = [];
  for (const path of paths) read.push(sectionsOf(await readIniFile(path), path));
  return read;
}

/** Where `config-update` writes what stands nowhere yet (catalog.md section 14.4). */
export function automaticFile(home: string): string {
  return join(home, '.barman.auto.conf');
}

async function includedFiles(folder: string | undefined, notes: Notes): Promise<string[]> {
  if (folder === undefined) return [];
  const names = await namesIn(folder);
  if (names === undefined) {
    notes.logWarnings.push(`configuration_files_directory ${folder} is not a folder; no file is included`);
    return [];
  }
  const paths: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (await isRegularFile(path)) paths.push(path);
    else notes.logWarnings.push(`${path} is not a regular file and is not included`);
  }
  return paths;
}

async function namesIn(folder: string): Promise<readonly string[] | undefined> {
  try {
    const names = await readdir(folder);
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

async function isRegularFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** A file that cannot be looked at counts as there, so that reading it tells why. */
async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: unknown) => !['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? ''),
  );
}
