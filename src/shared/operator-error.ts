import { type ErrorCode, exitCodeOf } from './error-codes.ts';
import { joined, linesOf, type Text } from './messages.ts';
import type { Worded, Wording } from './voice.ts';

interface OperatorErrorOptions extends Worded {
  /** One line that says what to do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An expected failure, told to the operator in one line and a hint; everything else that is thrown is a bug of ours. */
export class OperatorError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** The message line by line, whatever was in the parts that it was made of. */
  readonly lines: readonly string[];
  /** Barman's text in place of the message. */
  readonly asBarman: Wording | null | undefined;

  /** @param message one line, or lines of our own */
  constructor(code: ErrorCode, message: Text, options: OperatorErrorOptions = {}) {
    super(joined(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OperatorError';
    this.lines = linesOf(message);
    this.code = code;
    this.hint = options.hint;
    this.asBarman = options.asBarman;
  }

  /** Exit code of a command that ends with this failure. */
  get exitCode(): number {
    return exitCodeOf[this.code];
  }
}

/** The work, whose expected failure has other words as Barman. */
export async function reworded<T>(work: Promise<T>, { asBarman }: Worded): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error;
    const { code, lines, hint } = error;
    throw new OperatorError(code, lines, { ...(hint === undefined ? {} : { hint }), cause: error.cause ?? error, asBarman });
  }
}

/** Errors of the operating system that may occur at any time, each with a remedy. */
const refusals: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'compare owner and permissions with the user that runs the program'],
  ['EPERM', 'compare owner and permissions with the user that runs the program'],
  ['EROFS', 'the file system is mounted read-only'],
  ['ENOSPC', 'there is no space left: free some and run the command again'],
  ['EDQUOT', 'the quota is used up: free some space and run the command again'],
  ['EFBIG', 'the file system or a limit of the user does not allow files of that size'],
  ['EIO', 'look at the log of the kernel: the disk may be failing'],
  ['ESTALE', 'the network file system has lost the file: mount it again'],
  ['EMFILE', 'raise the limit of open files (ulimit -n)'],
  ['ENFILE', 'raise the limit of open files of this host (fs.file-max)'],
  ['ENAMETOOLONG', 'choose a shorter path'],
  ['ELOOP', 'the symbolic links of the path form a loop'],
  ['EEXIST', 'a file lies where a folder is expected: move it away'],
  ['ERR_FS_EISDIR', 'a folder lies where a file is expected: move it away'],
  ['ENOTDIR', 'a file lies where a folder is expected: move it away'],
  ['EISDIR', 'a folder lies where a file is expected: move it away'],
  ['ENXIO', 'a pipe, a socket or a device lies where a file is expected: move it away'],
  ['EBUSY', 'another program or a mount uses the path: look with fuser'],
  ['ENOMEM', 'the host has no memory left'],
  ['EAGAIN', 'raise the limit of processes of the user (ulimit -u)'],
]);

/**
 * Anything that was thrown as an expected failure: itself, or what the operating system refused where nobody had more to say about it.
 * Undefined for what can only be a bug of ours.
 */
export function expectedFailureOf(error: unknown): OperatorError | undefined {
  if (error instanceof OperatorError) return error;
  if (systemCodeOf(error) === 'ABORT_ERR' && error instanceof Error && error.cause instanceof OperatorError) return error.cause;
  const hint = refusals.get(systemCodeOf(error) ?? '');
  return hint === undefined ? undefined : new OperatorError('file-unreadable', messageOf(error), { hint, cause: error });
}

/** Text of anything that was thrown, for embedding in another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `code` of a Node system error (`ENOENT`, `EACCES`, …), undefined for anything else. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
