import { join } from 'node:path';
import { OperatorError } from '../../shared/operator-error.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';
import type { Check } from '../check.ts';
import { newestBackup } from '../newest-backup.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** A server that is down has no `backup_label` in its data folder, which would keep it from coming up again. */
export const backupLabelLeft: Check = {
  name: 'backup_label',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'PostgreSQL is down, and an exclusive backup that was cut short has left its label in the data folder.',
  remedies: ['label-left'],
  async run(facts) {
    const { connection, server, backups } = facts;
    const { ssh_command: sshCommand } = server.config.options;
    const pgdata = newestBackup(backups)?.pgdata;
    if (connection?.kind !== 'failed' || sshCommand === undefined || pgdata === undefined || pgdata === null) return undefined;
    if ((await facts.host())?.kind !== 'ok') return undefined;
    const path = join(pgdata, 'backup_label');
    try {
      await using host = remoteHost({ sshCommand, environment: server.environment });
      if ((await host.readFile(path)) === undefined) return undefined;
    } catch (error) {
      if (error instanceof OperatorError) return undefined; // the folder is not there any more, or not ours to read
      throw error;
    }
    return failed(`${path} is there, and PostgreSQL is down`, mendedBy('label-left', { path }));
  },
};
