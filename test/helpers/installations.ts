import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import {
  type ClusterManagers,
  type Installation,
  type Machine,
  machineFile,
  type OlderHelpers,
  type Oracle,
} from '../machine/cache-folder.mjs';

/** The PostgreSQL versions that every end-to-end test runs on. */
export const testedMajors = [15, 17, 18] as const;

/** Not released yet: tested where it can be had. */
export const majorAhead = 19;

/** Those and the servers that come without clients of their own. */
export const allMajors = [11, 13, 14, 15, 16, 17, 18, majorAhead] as const;

/** What is on this machine, oldest first; empty when it was never prepared. */
function postgresInstallations(): readonly Installation[] {
  return readMachine().postgres;
}

/** @throws Error that says how to get it when PostgreSQL `major` is not on this machine */
export function requirePostgres(major: number): Installation {
  const found = postgresInstallations().find((installation) => installation.major === major);
  if (found === undefined)
    throw new Error(`PostgreSQL ${String(major)} is not here: ${reasonFor(`PostgreSQL ${String(major)}`)}`);
  return found;
}

/** @throws Error that says how to get it when the real Barman is not on this machine */
export function requireOracle(): Oracle {
  const { oracle } = readMachine();
  if (oracle === undefined) throw new Error(`the real Barman is not here: ${reasonFor('Barman')}`);
  return oracle;
}

/** The writer of older homes. @throws Error that says how to get it when it is not on this machine */
export function requireOlderBarman(): Oracle {
  const { olderBarman } = readMachine();
  if (olderBarman === undefined) throw new Error(`an older Barman is not here: ${reasonFor('Barman')}`);
  return olderBarman;
}

/** @throws Error that says how to get them when the helpers of an older Barman are not on this machine */
export function requireOlderHelpers(): OlderHelpers {
  const { olderHelpers } = readMachine();
  if (olderHelpers === undefined) {
    throw new Error(`the helpers of an older Barman are not here: ${reasonFor('older helpers of Barman')}`);
  }
  return olderHelpers;
}

/** @throws Error that says how to get them when repmgr and Patroni are not on this machine */
export function requireManagers(): ClusterManagers {
  const { managers } = readMachine();
  if (managers === undefined) throw new Error(`repmgr and Patroni are not here: ${reasonFor('repmgr and Patroni')}`);
  return managers;
}

/**
 * One `describe` for each PostgreSQL version. A version that is not on this machine is skipped, loudly: `npm test` lists it at its
 * end, and with CI=true the tests run, and fail; those of the version ahead never do.
 */
export function describeEachPostgres(work: (major: number) => void, majors: readonly number[] = testedMajors): void {
  const present = postgresInstallations().map(({ major }) => major);
  for (const major of majors) {
    const isHere = present.includes(major);
    if (major === majorAhead && !isHere) continue;
    const skips = !isHere && !isCi();
    describe.skipIf(skips)(`PostgreSQL ${String(major)}`, () => work(major));
  }
}

/** The same for tests that compare with the real Barman. */
export function describeWithOracle(title: string, work: () => void): void {
  describe.skipIf(readMachine().oracle === undefined && !isCi())(title, work);
}

/** The same for tests with the WAL helpers of an older Barman. */
export function describeWithOlderHelpers(title: string, work: () => void): void {
  describe.skipIf(readMachine().olderHelpers === undefined && !isCi())(title, work);
}

/** The same for tests with real managers of clusters. */
export function describeWithManagers(title: string, work: () => void): void {
  describe.skipIf(readMachine().managers === undefined && !isCi())(title, work);
}

/** Whether one of the programs is not on this machine; the tests of pure code that compare with one are then skipped, and fail with CI=true. */
export function lacksPrograms(...programs: readonly string[]): boolean {
  const folders = (process.env['PATH'] ?? '').split(':');
  return !isCi() && programs.some((program) => !folders.some((folder) => existsSync(join(folder, program))));
}

function isCi(): boolean {
  return process.env['CI'] === 'true' || process.env['CI'] === '1';
}

function reasonFor(part: string): string {
  const known = readMachine().missing.find((missing) => missing.part === part)?.reason;
  return known ?? 'run node test/machine/prepare.mjs';
}

export function readMachine(): Machine {
  try {
    return JSON.parse(readFileSync(machineFile(), 'utf8')) as Machine; // written by prepare.mjs in this shape
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { postgres: [], nodes: [], missing: [] };
  }
}
