import { readArchiverStatistics } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { hasArchiveCommand } from '../has-archive-command.ts';
import { failed, passed } from '../verdict.ts';

/** The last thing that `archive_command` did is no failure. */
export const continuousArchiving: Check = {
  name: 'continuous archiving',
  appliesTo: 'active',
  isCritical: true,
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined || !(await hasArchiveCommand(access))) return undefined;
    const { isArchiving, lastFailedWal } = await readArchiverStatistics(access.connection);
    if (isArchiving) return passed();
    return failed(lastFailedWal === undefined ? undefined : `archive_command of the server fails, last for ${lastFailedWal}`);
  },
};
