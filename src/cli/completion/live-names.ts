import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import type { ConfigurationRequest } from '../../config/find-configuration-file.ts';
import { loadConfiguration, loadMainConfiguration } from '../../config/load-configuration.ts';
import type { Server } from '../../config/server.ts';
import { serverFor } from '../../installation/server-for.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { LiveNames } from './complete-words.ts';

/**
 * Names from the configuration and the catalog, as far as whoever types may read them: nothing is told, because a shell that completes a
 * word has no place for it.
 */
export function liveNames(places: ConfigurationRequest): LiveNames {
  const reading = orNone(() => readServers(places));
  return {
    servers: async () =>
      (await reading).map(({ config }) => ({ word: config.name, summary: config.options.description ?? '' })),
    backups: async (name) => {
      const server = (await reading).find(({ config }) => config.name === name);
      return server === undefined ? [] : await orNone(async () => await readBackups(server));
    },
  };
}

function readServers(places: ConfigurationRequest): readonly Server[] {
  const configuration = loadConfiguration(loadMainConfiguration(places), places.homeFolder);
  const parts = { configuration, configurationPath: configuration.path, environment: places.environment };
  return configuration.servers.map((config) => serverFor(config, parts));
}

async function readBackups({ layout }: Server): Promise<readonly { readonly word: string; readonly summary: string }[]> {
  const { backups } = await readBackupRecords(layout);
  return backups
    .toReversed()
    .map(({ id, status, backupName }) => ({ word: id, summary: `${status}${backupName === null ? '' : ` ${backupName}`}` }));
}

async function orNone<T>(read: () => Promise<readonly T[]> | readonly T[]): Promise<readonly T[]> {
  try {
    return await read();
  } catch (error) {
    if (expectedFailureOf(error) === undefined) throw error;
    return [];
  }
}
