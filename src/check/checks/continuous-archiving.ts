import { readArchiverStatistics, readSetting } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { hasArchiveCommand } from '../has-archive-command.ts';
import { mendedBy } from '../remedies.ts';
import { suggestedArchiveCommand } from '../suggested-archive-command.ts';
import { failed, passed } from '../verdict.ts';

/** The last thing that `archive_command` did is no failure. */
export const continuousArchiving: Check = {
  name: 'continuous archiving',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'The last try of `archive_command` failed. PostgreSQL keeps its WAL until this works.',
  remedies: ['archive-command-fails'],
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined || !(await hasArchiveCommand(access))) return undefined;
    const { isArchiving, lastFailedWal } = await readArchiverStatistics(access.connection);
    if (isArchiving) return passed();
    const remedy = mendedBy('archive-command-fails', {
      wal: lastFailedWal ?? 'an unknown file',
      current: (await readSetting(access.connection, 'archive_command')) ?? '',
      command: suggestedArchiveCommand(server),
    });
    const hint = lastFailedWal === undefined ? undefined : `archive_command of the server fails, last for ${lastFailedWal}`;
    return failed(hint, remedy);
  },
};
