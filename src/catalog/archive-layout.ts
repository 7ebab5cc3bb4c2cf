import { join } from 'node:path';
import { hashFolderOf, type WalName } from '../wal/wal-name.ts';
import type { ServerLayout } from './server-layout.ts';

/** Where a WAL file lies below the archive, whatever its compression: the name never changes (docs/reference/catalog.md section 1.4). */
export function archivedWalKey(name: WalName): string {
  return join(hashFolderOf(name), name);
}

/** The same as a path: for what the catalog looks at without waiting, a million times. */
export function archivedWalPath(layout: ServerLayout, name: WalName): string {
  return join(layout.wals, archivedWalKey(name));
}

/** Whether a folder of the archive is one for segments. */
export function isWalFolder(name: string): boolean {
  return /^[0-9A-F]{16}$/.test(name);
}

/** What the folders of a timeline begin with. */
export function walFolderPrefix(timeline: number): string {
  return timeline.toString(16).toUpperCase().padStart(8, '0');
}
