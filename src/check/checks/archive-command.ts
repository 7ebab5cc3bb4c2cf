import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { hasArchiveCommand } from '../has-archive-command.ts';
import { failed, passed } from '../verdict.ts';

/** The server knows how to archive its WAL, when that is how it reaches us. */
export const archiveCommand: Check = {
  name: 'archive_command',
  appliesTo: 'active',
  isCritical: true,
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined) return undefined;
    return (await hasArchiveCommand(access)) ? passed() : failed('please set it accordingly to documentation');
  },
};
