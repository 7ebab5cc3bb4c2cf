import { join } from 'node:path';
import type { Messages } from '../../shared/messages.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { controlFile, emptiedFolders, heldControlFile, leftOutFiles } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import { allowGroup } from './allow-group.ts';

/** How `pg_combinebackup` takes over what it need not change. */
export const combineModes = ['copy', 'link', 'clone', 'copy-file-range'] as const;
export type CombineMode = (typeof combineModes)[number];

/** A plain backup of a chain: in the catalog, unpacked, or sent. */
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
  /** Where the members lie and the destination is. */
  readonly restoreHost: RestoreHost;
  readonly messages: Pick<Messages, 'warning'>;
  /** Bytes written so far. */
  readonly onWritten: (bytes: number) => void;
}

/** Where the program writes: a folder in the destination, so that everything is on its file system. */
const combinedFolder = '.pgcellar-combined';

/**
 * Makes a full data directory of a chain with `pg_combinebackup` of the same major version. It is made inside the destination and then moved up, the control
 * file last and under another name, so what a crash leaves cannot be started.
 * @throws OperatorError `program-missing`, `command-failed`, `file-unwritable` or `interrupted`
 */
export async function combineChain(combining: Combining, surroundings: Surroundings): Promise<void> {
  const { destination, version } = combining;
  const { restoreHost } = surroundings;
  const program = await restoreHost.requireClient('pg_combinebackup', version);
  await restoreHost.makeFolder(destination);
  const output = join(destination, combinedFolder);
  await run(program, output, combining, surroundings);
  await moveUp(output, destination, restoreHost);
  await allowGroup(restoreHost, destination);
}

async function run(program: string, output: string, combining: Combining, surroundings: Surroundings): Promise<void> {
  const { members, mode } = combining;
  const { restoreHost, messages, onWritten } = surroundings;
  const mappings = await mappingsOf(combining, restoreHost);
  const argvFor = (how: CombineMode): string[] => [
    program,
    `--output=${output}`,
    ...mappings.map(([from, to]) => `--tablespace-mapping=${from}=${to}`),
    '--no-sync', // everything is synced at the end
    ...(how === 'copy' ? [] : [`--${how}`]),
    ...members.map(({ data }) => data),
  ];
  const result = await restoreHost.run(argvFor(mode), onWritten);
  if (result.exitCode === 0) return;
  const failure = failureOf(result, 'pg_combinebackup');
  if (mode === 'copy') throw failure;
  // whether this file system and this version of the program can do it is only known when it is tried
  messages.warning(`--combine-mode ${mode} does not work here, so files are copied: ${failure.message}`);
  for (const folder of [output, ...combining.tablespaces.map(({ location }) => location)]) await restoreHost.remove(folder);
  const again = await restoreHost.run(argvFor('copy'), onWritten);
  if (again.exitCode !== 0) throw failureOf(again, 'pg_combinebackup');
}

/** The program knows a tablespace by what the link in the newest backup says; an equals sign in a path is escaped. */
async function mappingsOf({ members, tablespaces }: Combining, restoreHost: RestoreHost): Promise<[string, string][]> {
  const newest = members.at(-1);
  if (newest === undefined) throw new Error('a chain has at least one member');
  const mappings: [string, string][] = [];
  for (const { oid, location } of tablespaces) {
    const target = await restoreHost.linkTarget(join(newest.data, 'pg_tblspc', String(oid)));
    if (target === undefined) throw new Error(`tablespace ${String(oid)} is not linked in ${newest.data}`);
    mappings.push([escape(target), escape(location)]);
  }
  return mappings;
}

function escape(path: string): string {
  return path.replaceAll('=', '\\=');
}

async function moveUp(output: string, destination: string, restoreHost: RestoreHost): Promise<void> {
  await restoreHost.rename(join(output, controlFile), join(output, heldControlFile));
  const moved: string[] = [];
  for (const name of (await restoreHost.namesIn(output)) ?? []) {
    const from = join(output, name);
    if (leftOutFiles.has(name)) await restoreHost.remove(from);
    else moved.push(from);
    if (emptiedFolders.has(name)) await empty(from, restoreHost);
  }
  await restoreHost.moveInto(destination, moved);
  await restoreHost.remove(output);
}

async function empty(folder: string, restoreHost: RestoreHost): Promise<void> {
  if ((await restoreHost.find(folder))?.kind !== 'folder') return;
  for (const name of (await restoreHost.namesIn(folder)) ?? []) await restoreHost.remove(join(folder, name));
}
