import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { hasArchiveCommand } from '../has-archive-command.ts';
import { mendedBy } from '../remedies.ts';
import { suggestedArchiveCommand } from '../suggested-archive-command.ts';
import { failed, passed } from '../verdict.ts';

/** The server knows how to archive its WAL, when that is how it reaches us. */
export const archiveCommand: Check = {
  name: 'archive_command',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'It is empty.',
  remedies: ['archive-command-missing'],
  async run({ server, connection }) {
    const access = accessible(connection);
    if (!server.config.options.archiver || access === undefined) return undefined;
    return (await hasArchiveCommand(access))
      ? passed()
      : failed(
          'please set it accordingly to documentation',
          mendedBy('archive-command-missing', { command: suggestedArchiveCommand(server) }),
        );
  },
};
