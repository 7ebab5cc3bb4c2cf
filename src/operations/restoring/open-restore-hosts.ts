import type { Server } from '../../config/server.ts';
import { localRestoreHost } from '../../restore/host/local-restore-host.ts';
import { remoteRestoreHost } from '../../restore/host/remote-restore-host.ts';
import type { RestoreHost } from '../../restore/host/restore-host.ts';
import type { RestoreRequest } from '../../restore/plan/restore-options.ts';
import type { Context } from '../../shared/context.ts';
import type { Host } from '../../transport/hosts/host.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';

/** The hosts of a restore; disposing ends the connection to another one. */
export interface RestoreHosts extends AsyncDisposable {
  /** Where the cluster is restored. */
  readonly restoreHost: RestoreHost;
  /** This host, where the catalog is. */
  readonly here: RestoreHost;
  /** The connection to another host; undefined when the cluster is restored on this one. */
  readonly remote: Host | undefined;
}

/** The host that a request names; another one is reached when it is first asked something. */
export function openRestoreHosts(
  server: Server,
  { remoteSshCommand: sshCommand }: RestoreRequest,
  { signal }: Context,
): RestoreHosts {
  const { programPath, environment } = server;
  const here = localRestoreHost({ programPath, environment, signal });
  if (sshCommand === undefined) {
    return { restoreHost: here, here, remote: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const remote = remoteHost({ sshCommand, environment });
  return {
    restoreHost: remoteRestoreHost(remote, signal),
    here,
    remote,
    [Symbol.asyncDispose]: async () => await remote[Symbol.asyncDispose](),
  };
}

/** `local`, or the name of the other host. */
export function restoreHostName({ remote }: RestoreHosts): string {
  return remote?.label ?? 'local';
}
