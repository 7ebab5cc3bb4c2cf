import { hostname, userInfo } from 'node:os';
import type { Server } from '../config/server.ts';
import type { RemedyValues } from './remedy.ts';

/** The values that a remedy may use for every server. */
export function valuesOfServer({ config, configurationPath, layout }: Server): RemedyValues {
  return {
    server: config.name,
    file: config.sources.conninfo ?? configurationPath,
    owner: userInfo().username,
    backupHost: hostname(),
    locks: layout.locks,
  };
}
