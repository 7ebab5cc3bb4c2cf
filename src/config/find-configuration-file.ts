import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../shared/operator-error.ts';

/** Where to look for the configuration: what the edge of the program knows. */
export interface ConfigurationRequest {
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
  const named = namedFile(request);
  if (named !== undefined) {
    if (existsSync(named.path)) return named.path;
    throw new OperatorError('configuration-missing', `the configuration file ${named.path} of ${named.by} does not exist`, {
      hint: `write the file, or name another one with -c`,
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

function namedFile(request: ConfigurationRequest): { readonly path: string; readonly by: string } | undefined {
  if (request.explicitPath !== undefined) return { path: request.explicitPath, by: '-c' };
  for (const by of ['PGCELLAR_CONFIG_FILE', 'BARMAN_CONFIG_FILE']) {
    const path = request.environment[by];
    if (path !== undefined && path !== '') return { path, by };
  }
  return undefined;
}
