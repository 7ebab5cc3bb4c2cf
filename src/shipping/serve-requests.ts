import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { tryLockFile } from '../shared/file-lock.ts';
import { type PipedRequest, RequestPipe } from './request-pipe.ts';
import { announce, emptySpool, leaveSpool, removeOldSpools, type Spool } from './spool.ts';
import { SpoolWatch } from './spool-watch.ts';

interface SpoolServed {
  readonly spool: Spool;
  /** Of the server whose commands ask. */
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** The work of an attendant. */
interface Attendance {
  /** Answers one request after another; one that fails is left to a call of its own. */
  answer(words: readonly string[]): Promise<string>;
  /** Called when a segment came into the spool or was taken. */
  onChange?(): void;
  /** Called at the end, when nothing is asked any more. */
  onEnd?(): Promise<'keep-folder' | 'nothing-to-keep'>;
}

/** An answer that leaves the request to a call of its own, which tells every failure as it is. */
export const alone = 'alone';

/**
 * Answers the commands of one data folder until nobody asks for a while or the server is gone, and removes the spool then. One process for
 * each spool: the others decline.
 */
export async function serveRequests(served: SpoolServed, attend: (watch: SpoolWatch) => Attendance): Promise<void> {
  const { spool, clock } = served;
  let taker: ((request: PipedRequest) => void) | undefined;
  const early: PipedRequest[] = [];
  const pipe = new RequestPipe((request) => {
    if (taker === undefined) early.push(request);
    else taker(request);
  });
  const takeWith = (take: (request: PipedRequest) => void): void => {
    taker = take;
    for (const request of early.splice(0)) take(request);
  };
  try {
    await using lock = await tryLockFile(spool.lock);
    if (lock !== undefined) await emptySpool(spool);
    let onChange = (): void => undefined;
    const watch = lock && (await SpoolWatch.begin({ ...served, onChange: () => onChange() }));
    if (watch === undefined) {
      takeWith((request) => pipe.answer(request, alone));
      await clock.sleep(100); // for whoever has started us
      return;
    }
    let attendance: Attendance | undefined;
    try {
      attendance = attend(watch);
      onChange = () => attendance?.onChange?.();
      await announce(spool, await isOfOneFileSystem(spool.folder, join(served.dataFolder, 'pg_wal')));
      takeWith(inTurn(attendance, { pipe, watch }));
      await removeOldSpools(spool, process.getuid?.());
      await aborted(watch.signal);
    } finally {
      watch.close();
      await leaveSpool(spool, { isKept: (await attendance?.onEnd?.()) === 'keep-folder' });
    }
  } finally {
    pipe.close();
  }
}

interface Means {
  readonly pipe: RequestPipe;
  readonly watch: SpoolWatch;
}

function inTurn(attendance: Attendance, { pipe, watch }: Means): (request: PipedRequest) => void {
  let last: Promise<void> = Promise.resolve();
  return (request) => {
    const endWork = watch.beginWork();
    last = last
      .then(async () => await attendance.answer(request.words))
      .catch(() => alone)
      .then((answer) => pipe.answer(request, answer))
      .finally(endWork);
  };
}

async function isOfOneFileSystem(...folders: readonly string[]): Promise<boolean> {
  const devices = await Promise.all(folders.map(async (folder) => (await stat(folder)).dev)).catch(() => []);
  return new Set(devices).size === 1;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
