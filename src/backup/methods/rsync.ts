import type { Server } from '../../config/server.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';
import type { BackupMethod } from '../backup-method.ts';
import { copyFilesOfServer, fileLevelMode } from '../copy-files-of-server.ts';

/** `rsync` over ssh (docs/reference/engine.md section 6). */
export const rsync: BackupMethod = {
  name: 'rsync',
  mode: fileLevelMode,
  host: (server) => remoteHost({ sshCommand: sshCommandOf(server), environment: server.environment }),
  async copy(job) {
    await copyFilesOfServer(job);
  },
};

function sshCommandOf({ config }: Server): string {
  const { ssh_command: sshCommand } = config.options;
  if (sshCommand !== undefined) return sshCommand;
  throw new OperatorError('configuration-invalid', `server ${config.name} has no ssh_command`);
}
