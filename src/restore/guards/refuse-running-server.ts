import { join } from 'node:path';
import { type Judging } from './judged-destination.ts';
import type { Refuse } from './refusals.ts';
import { unusable } from './refusals.ts';

/**
 * Refuses a destination that a server runs on, as its `postmaster.pid` tells: process id, data folder, start, port, socket folder, address, one a line.
 * @param names what lies in the destination
 */
export async function refuseRunningServer(
  { plan, restoreHost }: Judging,
  names: readonly string[],
  refuse: Refuse,
): Promise<void> {
  if (!names.includes('postmaster.pid')) return;
  const file = join(plan.destination, 'postmaster.pid');
  const [pidText = '', , , port = '', socketFolder = '', address = ''] = (await restoreHost.readFile(file))
    .toString('latin1')
    .split('\n');
  const pid = Math.abs(Number(pidText));
  const folder = Number.isSafeInteger(pid) && pid > 0 ? await restoreHost.folderOfProcess(pid) : undefined;
  if (folder !== undefined && (folder === 'unknown' || folder === (await restoreHost.realPath(plan.destination)))) {
    refuse(
      unusable(
        `a PostgreSQL server runs on the destination ${plan.destination}: process ${String(pid)}, port ${port}`,
        'stop it first',
      ),
    );
    return;
  }
  const onSocket = socketFolder.startsWith('/') && (await restoreHost.listensOn(`${socketFolder}/.s.PGSQL.${port}`));
  const isPort = /^[1-9]\d{0,4}$/.test(port) && address.trim() !== ''; // without an address it listened on the socket only
  const onPort = !onSocket && isPort && (await restoreHost.listensOnPort(Number(port), address.trim()));
  if (!onSocket && !onPort) return;
  refuse(
    unusable(
      `a PostgreSQL server takes connections on port ${port}, which ${file} names`,
      `stop it; if it is another server, remove ${file} first`,
    ),
  );
}
