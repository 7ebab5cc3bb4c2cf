import { createRequire } from 'node:module';

interface VersionModule {
  readonly version: string;
  readonly speaksLikeBarman: string;
  versionLine(programName: string): string;
}

// its only place is beside the programs, which print it without loading anything else
const shared = (): VersionModule => createRequire(import.meta.url)('../../bin/version.cjs') as VersionModule; // that file's exports

/** Version of the package. */
export function version(): string {
  return shared().version;
}

/** The line of `--version` under a name that the program is called by (product.md section 3). */
export function versionLine(programName: string): string {
  return shared().versionLine(programName);
}
