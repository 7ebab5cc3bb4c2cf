import type { ProgramResult } from '../programs/program-result.ts';
import type { SharedLogin } from '../ssh/shared-login.ts';

export interface HostCommandOptions {
  /** Written to standard input, which is then closed; without it standard input is empty. */
  readonly input?: string | Uint8Array;
  /** Aborting it ends the command. */
  readonly signal?: AbortSignal;
  /** Takes standard output as it comes; it is not collected then. */
  readonly onStdout?: (chunk: Buffer) => void;
}

/** A file as a host has it; symbolic links are followed. */
interface HostFile {
  readonly content: Buffer;
  /** Permission bits. */
  readonly mode: number;
  readonly modifiedAt: Date;
}

/**
 * A machine that commands run on and files lie on: this one, or one that a command like `ssh_command` reaches. Paths are absolute. What
 * a host refuses is an OperatorError with its words; `ssh-failed` when it cannot be reached.
 */
export interface Host extends AsyncDisposable {
  /** For messages: `this host`, or the host that the command names. */
  readonly label: string;
  readonly isRemote: boolean;
  /** How programs like rsync reach it; undefined for this host. */
  readonly login: SharedLogin | undefined;
  /** Runs a program to its end; an exit code is never an exception. */
  run(argv: readonly string[], options?: HostCommandOptions): Promise<ProgramResult>;
  /** Undefined when there is no such file. @throws OperatorError `file-unreadable` */
  readFile(path: string): Promise<HostFile | undefined>;
  /** Creates or replaces a file as a whole, durably. @throws OperatorError `file-unwritable` */
  writeFile(path: string, content: string | Uint8Array, options: { readonly mode: number }): Promise<void>;
  /** Makes a folder with its parents; `mode` is for the folder itself, an existing one keeps its own. @throws OperatorError `file-unwritable` */
  makeFolder(path: string, options: { readonly mode: number }): Promise<void>;
  /** Names in a folder, hidden ones too, sorted; undefined when there is no such folder. @throws OperatorError `file-unreadable` */
  list(path: string): Promise<readonly string[] | undefined>;
  /** Bytes that we may still write to the file system of an existing path. @throws OperatorError `file-unreadable` */
  freeBytes(path: string): Promise<number>;
}
