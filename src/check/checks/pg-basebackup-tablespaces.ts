import { methodOf } from '../../config/backup-methods.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { passed } from '../verdict.ts';

/** Every release of `pg_basebackup` that we find can map tablespaces; the line is there for who looks for it. */
export const pgBasebackupTablespaces: Check = {
  name: 'pg_basebackup supports tablespaces mapping',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'Never fails.',
  remedies: [],
  run({ server, connection }) {
    const isAsked = methodOf(server.config.options).streams && accessible(connection) !== undefined;
    return isAsked ? passed() : undefined;
  },
};
