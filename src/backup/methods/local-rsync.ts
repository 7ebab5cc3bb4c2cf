import { localHost } from '../../transport/hosts/local-host.ts';
import type { BackupMethod } from '../backup-method.ts';
import { copyFilesOfServer, fileLevelMode } from '../copy-files-of-server.ts';

/** `rsync` without ssh: PostgreSQL runs on this host, and we may read its files (docs/reference/engine.md section 6). */
export const localRsync: BackupMethod = {
  name: 'local-rsync',
  mode: fileLevelMode,
  host: ({ environment }) => localHost(environment),
  async copy(job) {
    await copyFilesOfServer(job);
  },
};
