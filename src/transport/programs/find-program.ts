import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';

/** Debian package that brings a program, for the message that says it is missing; codecs name theirs themselves. */
const packageOf: Readonly<Record<string, string>> = {
  rsync: 'rsync',
  ssh: 'openssh-client',
  gpg: 'gnupg',
  zstd: 'zstd',
  lz4: 'lz4',
  xz: 'xz-utils',
  bzip2: 'bzip2',
  pigz: 'pigz',
  flock: 'util-linux',
  cp: 'coreutils',
  sync: 'coreutils',
  tar: 'tar',
  gzip: 'gzip',
  pg_basebackup: 'postgresql-client',
  pg_receivewal: 'postgresql-client',
  pg_verifybackup: 'postgresql-client',
  pg_combinebackup: 'postgresql-client',
  postgres: 'postgresql',
};

/** First executable file of that name in a colon separated list of folders. */
export async function findProgram(name: string, path: string): Promise<string | undefined> {
  return (await findPrograms(name, path))[0];
}

/** Every executable file of that name, in the order of the folders. */
export async function findPrograms(name: string, path: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of path.split(':')) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    if ((await isExecutable(candidate)) && !found.includes(candidate)) found.push(candidate);
  }
  return found;
}

/**
 * As {@link findProgram}, for a program that is needed.
 * @throws OperatorError `program-missing` naming the program, what needs it and the package that brings it
 */
export async function requireProgram(name: string, path: string, neededFor: string): Promise<string> {
  const found = await findProgram(name, path);
  if (found !== undefined) return found;
  throw programMissing(name, neededFor);
}

interface MissingPlace {
  /** Another host, where `path_prefix` has no say. */
  readonly host?: string;
  /** Debian package that brings it, where the table above does not say. */
  readonly package?: string;
}

/** The error for a program that cannot be found. */
export function programMissing(name: string, neededFor: string, { host, package: given }: MissingPlace = {}): OperatorError {
  const brings = given ?? packageOf[name];
  if (host !== undefined) {
    return new OperatorError('program-missing', `the program ${name} was not found on ${host}; it is needed for ${neededFor}`, {
      hint: `${brings === undefined ? 'install it' : `install the package ${brings}`} there, in the PATH of an ssh command`,
    });
  }
  return new OperatorError('program-missing', `the program ${name} was not found; it is needed for ${neededFor}`, {
    hint:
      brings === undefined
        ? 'set path_prefix to the folder it lies in'
        : `install the package ${brings}, or set path_prefix to its folder`,
  });
}

/** Folders below `root` whose name matches, joined with `below`; none when `root` does not exist. */
export async function foldersMatching(root: string, shape: RegExp, below: string): Promise<string[]> {
  try {
    const names = await readdir(root);
    return names.filter((name) => shape.test(name)).map((name) => join(root, name, below));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'EACCES') return [];
    throw error;
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR', 'ELOOP'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}
