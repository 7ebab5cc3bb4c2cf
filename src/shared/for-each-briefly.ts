import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfInterrupted } from './throw-if-interrupted.ts';

/** So many system calls take less than a millisecond where the file system has their answers, and a short while where it has not. */
const sliceLength = 64;

/**
 * Does work on each item that blocks briefly, such as one system call about a file: waiting for such calls through Node's threads takes ten
 * times as long as the calls. In between, everything else has its turn.
 * @throws OperatorError `interrupted` when the signal aborts
 */
export async function forEachBriefly<T>(items: Iterable<T>, work: (item: T) => void, signal?: AbortSignal): Promise<void> {
  let left = sliceLength;
  for (const item of items) {
    work(item);
    if (--left > 0) continue;
    left = sliceLength;
    await nextTurn();
    throwIfInterrupted(signal);
  }
}
