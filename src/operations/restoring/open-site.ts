import type { Server } from '../../config/server.ts';
import { localPlace } from '../../restore/places/local-place.ts';
import type { Place } from '../../restore/places/place.ts';
import { remotePlace } from '../../restore/places/remote-place.ts';
import type { RestoreRequest } from '../../restore/plan/restore-options.ts';
import type { Context } from '../../shared/context.ts';
import type { Host } from '../../transport/hosts/host.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';

/** Where a restore goes; disposing ends the connection to another host. */
export interface Site extends AsyncDisposable {
  readonly place: Place;
  /** This host, where the catalog is. */
  readonly here: Place;
  /** Undefined for this host. */
  readonly host: Host | undefined;
}

/** The host that a request names; another one is reached when it is first asked something. */
export function openSite(server: Server, { remoteSshCommand: sshCommand }: RestoreRequest, { signal }: Context): Site {
  const { programPath, environment } = server;
  const here = localPlace({ programPath, environment, signal });
  if (sshCommand === undefined) {
    return { place: here, here, host: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const host = remoteHost({ sshCommand, environment });
  return { place: remotePlace(host, signal), here, host, [Symbol.asyncDispose]: async () => await host[Symbol.asyncDispose]() };
}

/** `local`, or the host. */
export function siteName({ host }: Site): string {
  return host?.label ?? 'local';
}
