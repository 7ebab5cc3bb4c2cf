import type { Environment } from '../shared/environment.ts';
import { type HostEntry, readParameters } from './connection-parameters.ts';
import type { Conninfo } from './conninfo.ts';

/** The node that a connection string is to lead to: alone, or before the hosts that the string names. */
export interface WantedNode {
  readonly entry: HostEntry;
  readonly isOnly: boolean;
}

/** The hosts that a connection string names, in its order. @throws OperatorError `configuration-invalid` */
export function hostsOfConninfo(conninfo: Conninfo, environment: Environment): readonly HostEntry[] {
  return readParameters(conninfo, environment).hosts;
}

/**
 * The same parameters with a node as the only or the first host. Its name is kept for TLS and the password file.
 * @param conninfo without its service, see `withService`
 * @throws OperatorError `configuration-invalid`
 */
export function conninfoAtNode(conninfo: Conninfo, { entry, isOnly }: WantedNode, environment: Environment): Conninfo {
  const others = isOnly ? [] : hostsOfConninfo(conninfo, environment).filter((host) => !isSameHost(host, entry));
  const hosts = [entry, ...others];
  const parameters = new Map(conninfo)
    .set('host', hosts.map(({ host }) => host).join(','))
    .set('port', hosts.map(({ port }) => String(port)).join(','))
    .set('load_balance_hosts', 'disable');
  const hasAddress = hosts.some(({ hostaddr }) => hostaddr !== '');
  if (hasAddress) parameters.set('hostaddr', hosts.map(({ hostaddr }) => hostaddr).join(','));
  else if (conninfo.has('hostaddr') || environment['PGHOSTADDR'] !== undefined) parameters.set('hostaddr', '');
  if (isOnly) parameters.set('target_session_attrs', 'any');
  return parameters;
}

/** Whether two entries name one node. */
export function isSameHost(a: HostEntry, b: HostEntry): boolean {
  return a.host === b.host && a.hostaddr === b.hostaddr && a.port === b.port;
}
