import type { ClientProgramName } from '../../postgres/client-programs.ts';
import type { ProgramResult } from '../../transport/programs/program-result.ts';
import type { SharedLogin } from '../../transport/ssh/shared-login.ts';

/** The entry at a path of the host that is restored to. */
export interface FoundEntry {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
}

/** A file system and what is free on it. */
export interface FreeSpace {
  /** The same text for two paths on one file system. */
  readonly fileSystem: string;
  readonly freeBytes: number;
}

/**
 * The host that is restored to, this one or another: files by their absolute paths. Every method rejects with an OperatorError that
 * names the path when the host refuses; what is missing is a value and no error.
 */
export interface RestoreHost {
  readonly kind: 'local' | 'remote';
  /** How programs like rsync reach it; undefined for this host. */
  readonly login: SharedLogin | undefined;
  /** Without following a link at its end; undefined when nothing is there. */
  find(path: string): Promise<FoundEntry | undefined>;
  /** Names in a folder, hidden ones too; undefined when it does not exist. */
  namesIn(path: string): Promise<readonly string[] | undefined>;
  /** Path without symbolic links, of a file that may not exist yet. */
  realPath(path: string): Promise<string>;
  readFile(path: string): Promise<Buffer>;
  /** Temporary name, sync, rename: either the old or the new content is there. */
  writeFile(path: string, content: Uint8Array, mode: number): Promise<void>;
  /** Makes a folder of mode 0700 with its parents, or takes one that is there. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Moves files and folders of one file system into a folder that has none of their names. */
  moveInto(folder: string, paths: readonly string[]): Promise<void>;
  /** A symbolic link that replaces an older one. */
  link(target: string, path: string): Promise<void>;
  /** Where a symbolic link points to; undefined for anything else. */
  linkTarget(path: string): Promise<string | undefined>;
  /** Removes a file or a folder with all in it; nothing happens when it is missing. */
  remove(path: string): Promise<void>;
  /** The target of each symbolic link below a folder, by its path below it. */
  linksBelow(path: string): Promise<ReadonlyMap<string, string>>;
  /** Whether we may write to a folder, or to the one that it will be made in. */
  isWritable(path: string): Promise<boolean>;
  /** Bytes of all files below a folder by their paths below it; none when it does not exist. */
  sizesBelow(path: string): Promise<ReadonlyMap<string, number>>;
  /** Of the file system that a path lies on, or will lie on. */
  spaceAt(path: string): Promise<FreeSpace>;
  /** Working folder of a live process; `unknown` when it may not be looked at, undefined when no process has that id. */
  folderOfProcess(pid: number): Promise<string | undefined>;
  /** Whether a server takes connections on a socket. */
  listensOn(socketPath: string): Promise<boolean>;
  /** Whether a server takes connections on a TCP port of an address of this host, `*` for any. */
  listensOnPort(port: number, address: string): Promise<boolean>;
  /** Path of a program. @throws OperatorError `program-missing` */
  requireProgram(name: string, neededFor: string): Promise<string>;
  /** Path of PostgreSQL's program of the major version of `serverVersion` (`server_version_num`). @throws OperatorError `program-missing` */
  requireClient(name: ClientProgramName, serverVersion: number): Promise<string>;
  /**
   * Runs a program to its end, which comes immediately when we die or are told to stop; an exit code is no exception. About once a second `onWritten` gets the
   * bytes that it has written so far.
   * @throws OperatorError `interrupted`
   */
  run(argv: readonly string[], onWritten?: (bytes: number) => void): Promise<ProgramResult>;
  /**
   * Makes all that was written below folders, or to files, survive a power cut. Immediately, and then every second, `onUnwritten` gets the bytes that the host has
   * still to write, those of everybody.
   */
  sync(paths: readonly string[], onUnwritten?: (bytes: number) => void): Promise<void>;
}
