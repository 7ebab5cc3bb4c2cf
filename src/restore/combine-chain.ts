import { lstat, mkdir, readdir, readlink, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireClientProgram } from '../postgres/client-programs.ts';
import type { Environment } from '../shared/environment.ts';
import { isMissing } from '../shared/look.ts';
import type { Messages } from '../shared/messages.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { failureOf } from '../transport/program-result.ts';
import { runProgram } from '../transport/run-program.ts';
import { controlFile, emptiedFolders, heldControlFile, leftOutFiles } from './restored-files.ts';

/** How `pg_combinebackup` takes over what it need not change. */
export const combineModes = ['copy', 'link', 'clone', 'copy-file-range'] as const;
export type CombineMode = (typeof combineModes)[number];

/** A plain backup of a chain: in the catalog, or unpacked. */
export interface PlainMember {
  readonly data: string;
  /** Folders of its tablespaces by oid. */
  readonly tablespaces: ReadonlyMap<number, string>;
}

interface Combining {
  /** The full backup first. */
  readonly members: readonly PlainMember[];
  readonly destination: string;
  /** Final places. */
  readonly tablespaces: readonly { readonly oid: number; readonly location: string }[];
  readonly mode: CombineMode;
  /** `server_version_num` of the backups. */
  readonly version: number;
}

interface Surroundings {
  readonly programPath: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly messages: Pick<Messages, 'warning'>;
}

/** Where the program writes: a folder in the destination, so that everything is on its file system. */
const combinedFolder = '.pgcellar-combined';

/**
 * Makes a full data directory of a chain with `pg_combinebackup` of the same major version. It is made inside the destination and then moved up, the control
 * file last and under another name, so what a crash leaves cannot be started.
 * @throws OperatorError `program-missing`, `command-failed` or `interrupted`
 */
export async function combineChain(combining: Combining, surroundings: Surroundings): Promise<void> {
  const { destination, version } = combining;
  const { programPath: path, environment } = surroundings;
  const program = await requireClientProgram('pg_combinebackup', {
    path,
    environment,
    serverVersion: version,
    isSameMajor: true,
  });
  await mkdir(destination, { recursive: true, mode: 0o700 });
  const output = join(destination, combinedFolder);
  await run(program.path, output, combining, surroundings);
  await moveUp(output, destination);
}

async function run(program: string, output: string, combining: Combining, surroundings: Surroundings): Promise<void> {
  const { members, mode } = combining;
  const mappings = await mappingsOf(combining);
  const argvFor = (how: CombineMode): string[] => [
    program,
    `--output=${output}`,
    ...mappings.map(([from, to]) => `--tablespace-mapping=${from}=${to}`),
    '--no-sync', // everything is synced at the end
    ...(how === 'copy' ? [] : [`--${how}`]),
    ...members.map(({ data }) => data),
  ];
  const { environment, signal, messages } = surroundings;
  const result = await runProgram(argvFor(mode), { environment, signal });
  if (result.exitCode === 0) return;
  refuseWhenAborted(signal);
  if (mode === 'copy') throw failureOf(result, 'pg_combinebackup');
  // whether this file system and this version of the program can do it is only known when it is tried
  const failure = failureOf(result, 'pg_combinebackup');
  messages.warning(`--combine-mode ${mode} does not work here, so files are copied: ${failure.message}`);
  for (const folder of [output, ...mappings.map(([, to]) => to)]) await rm(folder, { recursive: true, force: true });
  const again = await runProgram(argvFor('copy'), { environment, signal });
  refuseWhenAborted(signal);
  if (again.exitCode !== 0) throw failureOf(again, 'pg_combinebackup');
}

function refuseWhenAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal');
}

/** The program knows a tablespace by what the link in the newest backup says; an equals sign in a path is escaped. */
async function mappingsOf({ members, tablespaces }: Combining): Promise<[string, string][]> {
  const newest = members.at(-1);
  if (newest === undefined) throw new Error('a chain has at least one member');
  const mappings: [string, string][] = [];
  for (const { oid, location } of tablespaces) {
    const link = join(newest.data, 'pg_tblspc', String(oid));
    const target = await readlink(link);
    mappings.push([escape(target), escape(location)]);
  }
  return mappings;
}

function escape(path: string): string {
  return path.replaceAll('=', '\\=');
}

async function moveUp(output: string, destination: string): Promise<void> {
  await rename(join(output, controlFile), join(output, heldControlFile));
  for (const name of await readdir(output)) {
    const from = join(output, name);
    if (leftOutFiles.has(name)) await rm(from, { recursive: true });
    else {
      if (emptiedFolders.has(name) && (await isFolder(from))) await empty(from);
      await rename(from, join(destination, name));
    }
  }
  await rmdir(output);
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
