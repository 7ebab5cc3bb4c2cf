import { dirname } from 'node:path';
import type { Environment } from '../shared/environment.ts';
import { findPrograms, foldersMatching, programMissing } from '../transport/programs/find-program.ts';
import { runProgram } from '../transport/programs/run-program.ts';

export type ClientProgramName = 'pg_basebackup' | 'pg_receivewal' | 'pg_verifybackup' | 'pg_combinebackup' | 'postgres';

/** A client program that runs, and its version: major times 10,000, as servers count. */
export interface ClientProgram {
  readonly path: string;
  readonly version: number;
  readonly versionText: string;
}

interface WantedClient {
  /** Where it is looked for first. */
  readonly path: string;
  readonly environment: Environment;
  /** 0 takes any. */
  readonly serverVersion: number;
  /** Only the major version of the server will do: the program works on files and not on connections. */
  readonly isSameMajor?: boolean;
}

/**
 * Finds a client program that fits a server: same major version or newer. `path` (path_prefix, then PATH) comes first; then the
 * folders that Debian and RPM packages use, newest last, so that the closest fit wins (product.md section 4).
 * @returns the first that fits, else the first that runs, else undefined
 */
export async function findClientProgram(
  name: ClientProgramName,
  { path, environment, serverVersion, isSameMajor = false }: WantedClient,
): Promise<ClientProgram | undefined> {
  let firstThatRuns: ClientProgram | undefined;
  for (const candidate of [...(await findPrograms(name, path)), ...(await inPackageFolders(name))]) {
    const program = await describe(candidate, environment);
    if (program === undefined) continue;
    if (fits(program, serverVersion, isSameMajor)) return program;
    firstThatRuns ??= program;
  }
  return firstThatRuns;
}

/**
 * As {@link findClientProgram}, for work that needs it.
 * @throws OperatorError `program-missing`
 */
export async function requireClientProgram(name: ClientProgramName, where: WantedClient): Promise<ClientProgram> {
  const found = await findClientProgram(name, where);
  const major = String(Math.floor(where.serverVersion / 10_000));
  if (found === undefined) throw programMissing(name, `PostgreSQL ${major}`);
  if (fits(found, where.serverVersion, where.isSameMajor === true)) return found;
  throw programMissing(name, `PostgreSQL ${major} (${found.path} is version ${found.versionText})`);
}

function fits(program: ClientProgram, serverVersion: number, isSameMajor: boolean): boolean {
  if (!isSameMajor) return isCompatible(program, serverVersion);
  return Math.floor(program.version / 10_000) === Math.floor(serverVersion / 10_000);
}

/** A client serves servers of its own major version and older (docs/reference/engine.md section 2). */
export function isCompatible({ version }: ClientProgram, serverVersion: number): boolean {
  return Math.floor(version / 10_000) >= Math.floor(serverVersion / 10_000);
}

/** `pg_basebackup (PostgreSQL) 15.18 (Debian …)`, also `19devel` and `18beta1`. */
const versionShape = /\) ((\d+)(?:\.(\d+))?\S*)/;

async function inPackageFolders(name: string): Promise<string[]> {
  const folders = [
    ...(await foldersMatching('/usr/lib/postgresql', /^\d+$/, 'bin')),
    ...(await foldersMatching('/usr', /^pgsql-\d+$/, 'bin')),
  ];
  const byMajor = folders.toSorted((a, b) => majorIn(a) - majorIn(b));
  return await findPrograms(name, byMajor.join(':'));
}

function majorIn(folder: string): number {
  return Number(/(\d+)$/.exec(dirname(folder))?.[1] ?? 0);
}

/** Asks for the version, which also tells a program from a wrapper that finds nothing to run. */
async function describe(path: string, environment: Environment): Promise<ClientProgram | undefined> {
  const result = await runProgram([path, '--version'], { environment: { ...environment, LC_ALL: 'C' } });
  const [, versionText, major, minor = '0'] = versionShape.exec(result.stdout) ?? [];
  if (result.exitCode !== 0 || versionText === undefined) return undefined;
  return { path, version: Number(major) * 10_000 + Number(minor), versionText };
}
