import { writeFile } from 'node:fs/promises';
import { createTestHome, type TestHome } from './test-home.ts';
import { writeCatalog } from './write-catalog.ts';

export const exchangedServer = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };

/** Of the cluster whose backups {@link exportingHome} has. */
export const exchangedIdentity = '{"systemid": "7000000000000000001", "version": "15"}\n';

/** A home with the backups of a cluster that is known, and a folder `out` for their tarballs. */
export async function exportingHome(): Promise<TestHome> {
  const home = await createTestHome({ servers: { main: exchangedServer } });
  await writeCatalog(home, 'main');
  await writeFile(home.server('main', 'identity.json'), exchangedIdentity);
  await home.makeFolder('out');
  return home;
}
