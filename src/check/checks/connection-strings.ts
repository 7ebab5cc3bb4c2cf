import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { differingStrings } from '../judge-system-ids.ts';
import { failed } from '../verdict.ts';

/** Both connections reach one server, where backups need that. */
export const connectionStrings: Check = {
  name: 'connection strings',
  appliesTo: 'active',
  isCritical: false, // the backup says it itself, with the hosts
  about: 'Not in Barman',
  meaning:
    'The two connection strings reach two nodes of one cluster, and `backup_method = postgres`: a backup would begin and end on one node and copy its files from the other, so `backup` is refused.',
  remedies: ['connections-differ'],
  isShownOnlyWhenFailed: true,
  async run({ server, connection, streaming }) {
    const access = accessible(connection);
    if (server.config.options.backup_method !== 'postgres' || access === undefined) return undefined;
    const difference = await accessible(streaming)?.differenceFrom(access.connection);
    if (difference === undefined || difference.isOtherCluster) return undefined; // two clusters are another check's
    return failed(difference.reason, differingStrings(server));
  },
};
