import { constants } from 'node:fs';
import {
  access,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  symlink,
} from 'node:fs/promises';
import { connect, type NetConnectOpts } from 'node:net';
import { basename, dirname, join, relative } from 'node:path';
import { requireClientProgram } from '../../postgres/client-programs.ts';
import { writeFileDurably } from '../../shared/durable-file.ts';
import type { Environment } from '../../shared/environment.ts';
import { onDisk } from '../../shared/file-name.ts';
import { isAlive } from '../../shared/is-alive.ts';
import { entriesIn } from '../../shared/look.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { requireProgram } from '../../transport/programs/find-program.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import { watched, writtenReader } from '../fill/watched-program.ts';
import { watchedSync } from '../fill/watched-sync.ts';
import type { FoundEntry, FreeSpace, RestoreHost } from './restore-host.ts';

interface Surroundings {
  /** Where programs are looked for. */
  readonly programPath: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

/** statfs(2) of btrfs, where each subvolume has a device number of its own. */
const btrfsMagic = 0x9123683e;
/** Our own host answers sooner. */
const answerMs = 3000;

/** This host. */
export function localRestoreHost({ programPath, environment, signal }: Surroundings): RestoreHost {
  return {
    kind: 'local',
    login: undefined,
    find,
    namesIn: async (path) => await unlessMissing(path, () => readdir(path)),
    realPath: realPathOf,
    readFile: async (path) => await refusing(`read ${path}`, () => readFile(path)),
    writeFile: async (path, content, mode) => {
      await refusing(`write ${path}`, async () => {
        await writeFileDurably(path, content, { mode });
        await chmod(path, mode); // the umask has no say in it
      });
    },
    makeFolder,
    rename: async (from, to) => {
      await refusing(`rename ${from} to ${to}`, () => rename(from, to));
    },
    moveInto: async (folder, paths) => {
      for (const path of paths) await refusing(`move ${path} to ${folder}`, () => rename(path, join(folder, basename(path))));
    },
    link: async (target, path) => {
      await refusing(`link ${path} to ${target}`, async () => {
        await rm(path, { force: true });
        await symlink(target, path);
      });
    },
    linkTarget: async (path) => ((await find(path))?.kind === 'link' ? await readlink(path) : undefined),
    remove: async (path) => {
      await refusing(`remove ${path}`, () => rm(path, { recursive: true, force: true }));
    },
    isWritable,
    sizesBelow,
    linksBelow,
    spaceAt: async (path) => await spaceAt(path, environment),
    folderOfProcess,
    listensOn: async (socketPath) => await takesConnections({ path: socketPath }),
    listensOnPort: async (port, address) => await takesConnections({ port, host: reachable(address) }),
    requireProgram: async (name, neededFor) => await requireProgram(name, programPath, neededFor),
    requireClient: async (name, serverVersion) =>
      (await requireClientProgram(name, { path: programPath, environment, serverVersion, isSameMajor: true })).path,
    run: async (argv, onWritten = ignore) => {
      const result = await runProgram(watched(argv), { environment, signal, onStdout: writtenReader(onWritten) });
      throwIfInterrupted(signal);
      return { ...result, argv };
    },
    sync: async (paths, onUnwritten = ignore) => {
      const program = await requireProgram('sync', programPath, 'making the restored files survive a power cut');
      const argv = watchedSync(program, paths);
      const result = await runProgram(argv, { environment, signal, onStdout: writtenReader(onUnwritten) });
      throwIfInterrupted(signal);
      if (result.exitCode !== 0) throw failureOf(result, 'sync');
    },
  };
}

async function find(path: string): Promise<FoundEntry | undefined> {
  const stats = await unlessMissing(path, () => lstat(path));
  if (stats === undefined) return undefined;
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other';
  return { kind, mode: stats.mode & 0o7777 };
}

async function makeFolder(path: string): Promise<void> {
  await refusing(`make the folder ${path}`, () => mkdir(path, { recursive: true, mode: 0o700 }));
}

/** Path without symbolic links, of a file that may not exist yet. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT' || dirname(path) === path) return path;
    return join(await realPathOf(dirname(path)), relative(dirname(path), path));
  }
}

async function isWritable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'ENOENT' && dirname(path) !== path ? await isWritable(dirname(path)) : false;
  }
}

async function sizesBelow(path: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  const measure = async (folder: string): Promise<void> => {
    for (const entry of (await unlessMissing(path, () => entriesIn(join(path, folder)))) ?? []) {
      const inside = join(folder, entry.name);
      if (entry.isDirectory()) await measure(inside);
      const stats = entry.isFile() ? await unlessMissing(path, () => lstat(onDisk(join(path, inside)))) : undefined;
      if (stats !== undefined) sizes.set(inside, stats.size);
    }
  };
  await measure('');
  return sizes;
}

async function linksBelow(path: string): Promise<ReadonlyMap<string, string>> {
  const links = new Map<string, string>();
  const look = async (folder: string): Promise<void> => {
    for (const entry of (await unlessMissing(path, () => entriesIn(join(path, folder)))) ?? []) {
      const inside = join(folder, entry.name);
      if (entry.isDirectory()) await look(inside);
      if (entry.isSymbolicLink()) links.set(inside, await readlink(onDisk(join(path, inside))));
    }
  };
  await look('');
  return links;
}

async function spaceAt(path: string, environment: Environment): Promise<FreeSpace> {
  try {
    const [{ dev }, { bavail, bsize, type }] = await Promise.all([stat(path), statfs(path)]);
    const fileSystem = type === btrfsMagic ? await mountedFrom(path, environment) : String(dev);
    return { fileSystem, freeBytes: bavail * bsize };
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '') || dirname(path) === path)
      throw cannot(`look at ${path}`, error);
    return await spaceAt(dirname(path), environment);
  }
}

/** The device that all subvolumes of a file system share, with their space. */
async function mountedFrom(path: string, environment: Environment): Promise<string> {
  const result = await runProgram(['df', '--output=source', '--', path], { environment });
  if (result.exitCode !== 0) throw failureOf(result, 'df');
  return result.stdout;
}

async function folderOfProcess(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  try {
    return await readlink(`/proc/${String(pid)}/cwd`);
  } catch {
    return 'unknown'; // it belongs to somebody else
  }
}

/** As a client names an address that a server listens on. */
function reachable(address: string): string {
  if (address === '*' || address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

async function takesConnections(where: NetConnectOpts): Promise<boolean> {
  const socket = connect(where);
  return await new Promise<boolean>((resolve) => {
    socket.setTimeout(answerMs, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      // a refused connection shows at least that there is a socket
      resolve(systemCodeOf(error) === 'EACCES');
    });
  });
}

async function unlessMissing<T>(path: string, look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw cannot(`look at ${path}`, error);
  }
}

async function refusing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw cannot(what, error);
  }
}

function cannot(what: string, error: unknown): unknown {
  const code = systemCodeOf(error);
  if (code === undefined || error instanceof OperatorError) return error;
  const isReading = /^(?:read|look)/.test(what);
  return new OperatorError(isReading ? 'file-unreadable' : 'file-unwritable', `cannot ${what}: ${code}`, { cause: error });
}

function ignore(): void {
  // nobody wants to know
}
