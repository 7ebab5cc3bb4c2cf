import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../shared/look.ts';

/** A PostgreSQL server that listens on a socket of this host. */
export interface LocalServer {
  readonly folder: string;
  readonly port: number;
  /** User and group that the server runs as, by number. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Where packages of PostgreSQL put their sockets: Debian and the RPMs, then PostgreSQL itself. */
const usualFolders = ['/var/run/postgresql', '/tmp'];

/** Every server that has a socket in one of the usual folders, by port; a socket that a crash left counts, too. */
export async function findLocalServers(folders: readonly string[] = usualFolders): Promise<readonly LocalServer[]> {
  const found: LocalServer[] = [];
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      const port = /^\.s\.PGSQL\.(\d+)$/.exec(name)?.[1];
      if (port === undefined) continue;
      const { uid, gid } = await stat(join(folder, name));
      found.push({ folder, port: Number(port), owner: { uid, gid } });
    }
  }
  return found.toSorted((a, b) => a.port - b.port);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
