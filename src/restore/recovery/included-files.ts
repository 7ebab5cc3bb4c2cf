import { isAbsolute, posix } from 'node:path';
import { isWithin } from '../plan/plan-destination.ts';
import type { FoundFile } from './mangle-configuration.ts';
import { readSettings, settingValue } from './review-configuration.ts';

/** The configuration files of a data folder, by their paths below it. */
export interface ConfigurationFolder {
  read(path: string): Promise<FoundFile>;
  /** Names in a folder; undefined when it is none. */
  namesIn(path: string): Promise<readonly string[] | undefined>;
}

/** A file, or a folder of files, that the configuration takes in. */
export interface IncludedFile {
  /** Below the data folder; absolute when it lies elsewhere. */
  readonly path: string;
  /** The file that names it. */
  readonly by: string;
  /** Where that file names it: the position among its settings, counted from 0. */
  readonly position: number;
  /** PostgreSQL does not start without it. */
  readonly isRequired: boolean;
  /** `outside` is not part of the backup. */
  readonly found: FoundFile | { readonly kind: 'outside' };
}

/** As in PostgreSQL (`CONF_FILE_MAX_DEPTH`). */
const deepest = 10;

/**
 * Every file that `postgresql.conf` takes in, as PostgreSQL finds them: names are relative to the file that has them, of a folder the files `*.conf` count.
 * @param dataFolder where the files will be: an absolute path is one of them only when it lies there
 */
export async function includedFiles(folder: ConfigurationFolder, dataFolder: string): Promise<readonly IncludedFile[]> {
  const included: IncludedFile[] = [];
  await follow('postgresql.conf', 0);
  return included;

  async function follow(file: string, depth: number): Promise<void> {
    const found = await folder.read(file);
    if (found.kind !== 'file' || depth > deepest) return;
    for (const [position, { key, value }] of readSettings(found.text).entries()) {
      if (key !== 'include' && key !== 'include_if_exists' && key !== 'include_dir') continue;
      const path = pathOf(settingValue(value), file, dataFolder);
      const from = { by: file, position };
      const isRequired = key !== 'include_if_exists';
      if (isAbsolute(path)) included.push({ path, ...from, isRequired, found: { kind: 'outside' } });
      else if (key === 'include_dir') await takeFolder(path, from, depth);
      else await take({ path, ...from, isRequired }, depth);
    }
  }

  async function take(one: Omit<IncludedFile, 'found'>, depth: number): Promise<void> {
    included.push({ ...one, found: await folder.read(one.path) });
    await follow(one.path, depth + 1);
  }

  async function takeFolder(path: string, from: Pick<IncludedFile, 'by' | 'position'>, depth: number): Promise<void> {
    const names = await folder.namesIn(path);
    if (names === undefined) included.push({ path, ...from, isRequired: true, found: { kind: 'missing' } });
    const wanted = (names ?? []).filter((name) => name.endsWith('.conf') && !name.startsWith('.'));
    for (const name of wanted.toSorted()) await take({ path: posix.join(path, name), ...from, isRequired: true }, depth);
  }
}

/** Relative to the data folder when it lies there, else absolute. */
function pathOf(name: string, file: string, dataFolder: string): string {
  const whole = posix.resolve(dataFolder, posix.dirname(file), name);
  return isWithin(whole, dataFolder) ? posix.relative(dataFolder, whole) : whole;
}
