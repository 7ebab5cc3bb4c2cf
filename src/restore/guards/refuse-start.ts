import type { Backup } from '../../catalog/backups/backup.ts';
import type { Server } from '../../config/server.ts';
import { requireClientProgram } from '../../postgres/client-programs.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import { serverOwner } from '../recovery/start-server.ts';
import type { Refusals } from './refusals.ts';

interface Start {
  readonly server: Pick<Server, 'programPath' | 'environment'>;
  readonly request: Pick<RestoreRequest, 'remoteSshCommand'>;
  readonly backup: Pick<Backup, 'version'>;
  readonly destination: string;
}

/** The reasons against starting the server afterwards. */
export async function refuseStart({ server, request, backup, destination }: Start, refusals: Refusals): Promise<void> {
  if (request.remoteSshCommand !== undefined) {
    refusals.add(
      new OperatorError('options-contradict', '--start works on this host only, not with --remote-ssh-command', {
        hint: 'restore without it, then start PostgreSQL on that host and follow its log',
      }),
    );
    return;
  }
  const { programPath: path, environment } = server;
  await refusals.take(() => serverOwner(destination));
  await refusals.take(() =>
    requireClientProgram('postgres', { path, environment, serverVersion: backup.version ?? 0, isSameMajor: true }),
  );
}
