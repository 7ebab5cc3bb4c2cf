import { OperatorError } from '../../shared/operator-error.ts';
import { remoteHost } from '../../transport/remote-host.ts';
import type { BackupMethod } from '../backup-method.ts';
import { copyFilesOfServer } from '../copy-files-of-server.ts';
import { fileLevelMode } from '../file-level-mode.ts';

/** `rsync` over ssh (engine.md section 6). */
export const rsync: BackupMethod = {
  name: 'rsync',
  mode: fileLevelMode,
  async copy(job) {
    const { config, environment } = job.server;
    const sshCommand = config.options.ssh_command;
    if (sshCommand === undefined) throw new OperatorError('configuration-invalid', `server ${config.name} has no ssh_command`);
    await using host = remoteHost({ sshCommand, environment });
    await copyFilesOfServer(job, { host, sshCommand });
  },
};
