import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCodeOf } from '../shared/operator-error.ts';
import type { ServerOptions } from './options.ts';
import type { ServerConfig } from './server-config.ts';

const folderKeys = [
  'backup_directory',
  'basebackups_directory',
  'errors_directory',
  'incoming_wals_directory',
  'streaming_wals_directory',
  'wals_directory',
] as const;

/** One folder of a server with every symbolic link followed. */
export interface Folder {
  readonly key: (typeof folderKeys)[number];
  readonly realPath: string;
}

/** Folders of a server that must be its own; destinations in an object store are none. */
export async function foldersOf(options: ServerOptions): Promise<readonly Folder[]> {
  const local = folderKeys.filter((key) => !options[key].includes('://'));
  return await Promise.all(local.map(async (key) => ({ key, realPath: await realPathOf(resolve(options[key])) })));
}

/** One problem for each folder that one server uses twice. */
export function repeatedFolders(folders: readonly Folder[]): readonly string[] {
  return [...grouped(folders).entries()]
    .filter(([, users]) => users.length > 1)
    .map(([path, users]) => `${users.map(({ key }) => key).join(' and ')} are the same folder, ${path}`);
}

/** One problem for each folder that several servers use. */
export async function sharedFolders(servers: readonly ServerConfig[]): Promise<readonly string[]> {
  const all = await Promise.all(
    servers.map(async ({ name, options }) => (await foldersOf(options)).map((folder) => ({ ...folder, server: name }))),
  );
  return [...grouped(all.flat()).entries()]
    .filter(([, users]) => new Set(users.map(({ server }) => server)).size > 1)
    .map(
      ([path, users]) =>
        `${users.map(({ key, server }) => `${key} of server '${server}'`).join(' and ')} are the same folder, ${path}`,
    );
}

function grouped<F extends Folder>(folders: readonly F[]): Map<string, F[]> {
  const groups = new Map<string, F[]>();
  for (const folder of folders) {
    const group = groups.get(folder.realPath) ?? [];
    group.push(folder);
    groups.set(folder.realPath, group);
  }
  return groups;
}

/** What does not exist yet counts by the part of its path that does. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = systemCodeOf(error);
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    return isMissing && dirname(path) !== path ? join(await realPathOf(dirname(path)), basename(path)) : path;
  }
}
