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
/** Files that take in each other are many more than there are. */
const mostFollowed = 10_000;

/**
 * Every file that `postgresql.conf` takes in, as PostgreSQL finds them: names are relative to the file that has them, of a folder the files `*.conf` count.
 * @param dataFolder where the files will be: an absolute path is one of them only when it lies there
 */
export async function includedFiles(folder: ConfigurationFolder, dataFolder: string): Promise<readonly IncludedFile[]> {
  const included: IncludedFile[] = [];
  await follow('postgresql.conf', []);
  return included;

  /** @param above the files that lead to this one; PostgreSQL does not start when it is one of them */
  async function follow(file: string, above: readonly string[]): Promise<void> {
    if (above.length > deepest || above.includes(file) || included.length > mostFollowed) return;
    const found = await folder.read(file);
    if (found.kind !== 'file') return;
    const chain = [...above, file];
    for (const [position, { key, value }] of readSettings(found.text).entries()) {
      if (key !== 'include' && key !== 'include_if_exists' && key !== 'include_dir') continue;
      const path = pathOf(settingValue(value), file, dataFolder);
      const from = { by: file, position };
      const isRequired = key !== 'include_if_exists';
      if (isAbsolute(path)) included.push({ path, ...from, isRequired, found: { kind: 'outside' } });
      else if (key === 'include_dir') await takeFolder(path, from, chain);
      else await take({ path, ...from, isRequired }, chain);
    }
  }

  async function take(one: Omit<IncludedFile, 'found'>, above: readonly string[]): Promise<void> {
    included.push({ ...one, found: await folder.read(one.path) });
    await follow(one.path, above);
  }

  async function takeFolder(
    path: string,
    from: Pick<IncludedFile, 'by' | 'position'>,
    above: readonly string[],
  ): Promise<void> {
    const names = await folder.namesIn(path);
    if (names === undefined) included.push({ path, ...from, isRequired: true, found: { kind: 'missing' } });
    const wanted = (names ?? []).filter((name) => name.endsWith('.conf') && !name.startsWith('.'));
    for (const name of wanted.toSorted()) await take({ path: posix.join(path, name), ...from, isRequired: true }, above);
  }
}

/** Relative to the data folder when it lies there, else absolute. */
function pathOf(name: string, file: string, dataFolder: string): string {
  const whole = posix.resolve(dataFolder, posix.dirname(file), name);
  return isWithin(whole, dataFolder) ? posix.relative(dataFolder, whole) : whole;
}
