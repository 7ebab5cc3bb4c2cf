import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { methodOf } from '../../config/backup-methods.ts';
import { readSetting } from '../../postgres/server-queries.ts';
import { messageOf } from '../../shared/operator-error.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** With `local-rsync` the files of the server can be read here. */
export const localPgdata: Check = {
  name: 'local PGDATA',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'The data folder of PostgreSQL cannot be read by the user that takes backups on this host.',
  remedies: ['pgdata-unreadable'],
  async run({ server, connection }) {
    if (!methodOf(server.config.options).readsLocalFiles) return undefined;
    const open = accessible(connection);
    if (open === undefined) return undefined;
    const folder = await readSetting(open.connection, 'data_directory');
    if (folder === undefined) return undefined;
    try {
      await access(join(folder, 'global', 'pg_control'), constants.R_OK);
      return passed('Access to local PGDATA');
    } catch (error) {
      return failed(messageOf(error), mendedBy('pgdata-unreadable', { folder }));
    }
  },
};
