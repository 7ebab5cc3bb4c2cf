import { join } from 'node:path';
import { hashFolderOf, type WalName } from '../wal/wal-name.ts';
import type { ServerLayout } from './server-layout.ts';

/** Where a WAL file lies in the archive, whatever its compression: the name never changes (docs/reference/catalog.md section 1.4). */
export function archivedWalPath(layout: ServerLayout, name: WalName): string {
  return join(layout.wals, hashFolderOf(name), name);
}
