import { fstatSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** What the file system says of a file; when two are equal, nothing was done to the file in between, unless it was within a clock tick. */
export interface FileState {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  /** Nanoseconds since the epoch, in decimal. Every change to content sets it to the time of day, and no program can set it to another. */
  readonly ctime: string;
}

/** Time stamps may stand still for so long: a tick of the kernel, at most 10 ms. */
const tickNs = 20_000_000n;
/** Where there are only whole seconds. */
const coarseTickNs = 2_100_000_000n;

/** Synchronous: the thread pool would take longer than the kernel. @throws Error of the file system */
export function stateOf(file: string | Pick<FileHandle, 'fd'>): FileState {
  const found = typeof file === 'string' ? statSync(file, { bigint: true }) : fstatSync(file.fd, { bigint: true });
  return { dev: Number(found.dev), ino: Number(found.ino), size: Number(found.size), ctime: String(found.ctimeNs) };
}

export function isSameState(a: FileState, b: FileState): boolean {
  return a.ctime === b.ctime && a.size === b.size && a.ino === b.ino && a.dev === b.dev;
}

/**
 * Whether a state was noted late enough to tell every later change: a change within the same tick would leave the same time stamp.
 * @param noted state of the file that it was noted in: the same clock stamps both, on one file system
 */
export function isSettled(state: FileState, noted: FileState): boolean {
  const changed = BigInt(state.ctime);
  const tick = changed % 1_000_000_000n === 0n ? coarseTickNs : tickNs;
  return noted.dev === state.dev && BigInt(noted.ctime) - changed > tick;
}
