import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';

/** A main file that was read already, by somebody who may read more than we. */
export interface HandedConfiguration {
  readonly path: string;
  readonly text: string;
}

/** Where to look for the configuration: what the edge of the program knows. */
export interface ConfigurationRequest {
  readonly handed?: HandedConfiguration | undefined;
  /** Value of `-c`. */
  readonly explicitPath: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Home folder, for `~` and `~/.pgcellar.conf`. */
  readonly homeFolder: string;
}

/** The places that are tried when nobody names a file, in order (product.md section 3). */
export function usualPlaces(homeFolder: string): readonly string[] {
  return [
    join(homeFolder, '.pgcellar.conf'),
    '/etc/pgcellar.conf',
    '/etc/pgcellar/pgcellar.conf',
    join(homeFolder, '.barman.conf'),
    '/etc/barman.conf',
    '/etc/barman/barman.conf',
  ];
}

/**
 * Path of the main file: `-c`, `PGCELLAR_CONFIG_FILE`, `BARMAN_CONFIG_FILE`, else the first of {@link usualPlaces} that exists.
 * @throws OperatorError `configuration-missing`
 */
export function findConfigurationFile(request: ConfigurationRequest): string {
  if (request.handed !== undefined) return request.handed.path;
  const named = namedFile(request);
  if (named !== undefined) {
    if (!isAbsent(named.path)) return named.path;
    throw new OperatorError('configuration-missing', `the configuration file ${named.path} of ${named.by} does not exist`, {
      hint: `write the file, or name another one with -c`,
      asBarman: `Configuration file '${named.path}' does not exist`,
    });
  }
  const places = usualPlaces(request.homeFolder);
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new OperatorError('configuration-missing', `no configuration file: none of ${places.join(', ')} exists`, {
    hint: 'write one of them, or name a file with -c; init --home FOLDER writes a first one',
  });
}

/** Whether this is the file that is found when nobody names one. */
export function isFoundByItself(path: string, homeFolder: string): boolean {
  return usualPlaces(homeFolder).find((place) => existsSync(place)) === path;
}

/** A file behind a folder that we may not enter is not absent: reading it says why it cannot be read. */
function isAbsent(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
  }
}

function namedFile(request: ConfigurationRequest): { readonly path: string; readonly by: string } | undefined {
  if (request.explicitPath !== undefined) return { path: request.explicitPath, by: '-c' };
  for (const by of ['PGCELLAR_CONFIG_FILE', 'BARMAN_CONFIG_FILE']) {
    const path = request.environment[by];
    if (path !== undefined && path !== '') return { path, by };
  }
  return undefined;
}
