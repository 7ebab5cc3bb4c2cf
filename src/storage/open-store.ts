import { FolderStore } from './folder-store.ts';

/**
 * The store at a location that the configuration names. A new kind of store is a file here, a line in this function, and a line in the
 * contract suite, which each must pass; the compiler then names each place that needs a local path of it.
 */
export function openStore(location: string): FolderStore {
  return new FolderStore(location);
}
