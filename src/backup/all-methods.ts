import type { BackupMethod } from './backup-method.ts';
import { postgres } from './methods/postgres.ts';

/** Every way to take a base backup. A new one is a file in `methods` and a line here. */
export const allMethods: readonly BackupMethod[] = [postgres];

/** The method of that name; undefined for one that does not exist yet. */
export function methodNamed(name: string): BackupMethod | undefined {
  return allMethods.find((method) => method.name === name);
}
