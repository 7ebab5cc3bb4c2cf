import type { BackupMethod } from './backup-method.ts';
import { localRsync } from './methods/local-rsync.ts';
import { postgres } from './methods/postgres.ts';
import { rsync } from './methods/rsync.ts';

/** Every way to take a base backup. A new one is a file in `methods` and a line here. */
export const allMethods: readonly BackupMethod[] = [postgres, rsync, localRsync];

/** The method of that name; undefined for one that does not exist yet. */
export function methodNamed(name: string): BackupMethod | undefined {
  return allMethods.find((method) => method.name === name);
}
