import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { systemCodeOf } from '../shared/operator-error.ts';
import type { Voice } from '../shared/voice.ts';
import type { ServerOptions } from './options.ts';
import type { ServerConfig, ServerName } from './server-config.ts';

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
export function foldersOf(options: ServerOptions): readonly Folder[] {
  const local = folderKeys.filter((key) => !options[key].includes('://'));
  return local.map((key) => ({ key, realPath: realPathOf(resolve(options[key])) }));
}

/** A warning about the first folder whose place depends on where the program is started; the others mostly follow it. */
export function relativeFolders(name: ServerName, options: ServerOptions): readonly string[] {
  const found = folderKeys.find((key) => !isAbsolute(options[key]) && !options[key].includes('://'));
  return found === undefined
    ? []
    : [`${found} of server '${name}' is not an absolute path: it means another folder in each working directory`];
}

/** A problem for each folder that one server uses twice; as Barman, for each use but the first. */
export function repeatedFolders(name: ServerName, folders: readonly Folder[], voice: Voice): readonly string[] {
  const repeated = [...grouped(folders).entries()].filter(([, users]) => users.length > 1);
  if (voice === 'own') {
    return repeated.map(
      ([path, users]) => `server '${name}': ${users.map(({ key }) => key).join(' and ')} are the same folder, ${path}`,
    );
  }
  return repeated.flatMap(([path, [first, ...others]]) =>
    others.map(({ key }) => `Conflicting path: ${key}=${path} conflicts with '${first?.key ?? ''}' for server '${name}'`),
  );
}

/** One problem for each folder that several servers use; as Barman, one for each server but the first. */
export function sharedFolders(servers: readonly ServerConfig[], voice: Voice): readonly string[] {
  if (servers.length < 2) return [];
  const all = servers.flatMap(({ name, options }) => foldersOf(options).map((folder) => ({ ...folder, server: name })));
  const shared = [...grouped(all).entries()].filter(([, users]) => new Set(users.map(({ server }) => server)).size > 1);
  if (voice === 'own') {
    return shared.map(
      ([path, users]) =>
        `${users.map(({ key, server }) => `${key} of server '${server}'`).join(' and ')} are the same folder, ${path}`,
    );
  }
  return shared.flatMap(([path, [first, ...others]]) =>
    others.map(
      ({ key, server }) =>
        `Conflicting path: ${key}=${path} for server '${server}' conflicts with '${first?.key ?? ''}' for server '${first?.server ?? ''}'`,
    ),
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

/**
 * A folder that does not exist yet counts by the part of its path that does. Synchronous: every command asks for each folder of each server, and a
 * round through the thread pool takes ten times as long as the answer.
 */
function realPathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    const code = systemCodeOf(error);
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    return isMissing && dirname(path) !== path ? join(realPathOf(dirname(path)), basename(path)) : path;
  }
}
