import { createWriteStream, watch } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { detectCompressionOf, writePlainContent } from '../compression/all-codecs.ts';
import type { Clock } from '../shared/clock.ts';
import { tryLockFile } from '../shared/file-lock.ts';
import { pathExists } from '../shared/look.ts';
import { startProgram } from '../transport/run-program.ts';
import { nextSegment, type SegmentName } from '../wal/wal-name.ts';
import { type FetchOptions, fetchWal, quoted, remoteCall } from './fetch-wal.ts';
import { announceNext, emptySpool, readyNames, type Spool } from './spool.ts';
import { segmentProblem } from './wal-page.ts';

export interface PrefetchOptions {
  readonly spool: Spool;
  readonly fetch: FetchOptions;
  /** Segment that recovery asks for next. */
  readonly first: SegmentName;
  readonly segmentSize: number;
  /** Segments that may wait at once. */
  readonly ahead: number;
  readonly systemid: bigint | undefined;
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** Nobody took a segment for so long: recovery has stopped, or waits for something else. */
const idleMs = 60_000;
const usageError = 2;

/**
 * Fetches segments ahead until the archive has no more, nobody takes them, or the cluster is gone. One process per spool: the lock is
 * what a newer one takes over by stopping the older one. Segments come through one connection where the backup host can send them so,
 * else one call each. Nothing gets its final name before it is whole and checked.
 */
export async function prefetch(options: PrefetchOptions): Promise<void> {
  await using lock = await tryLockFile(options.spool.lock);
  if (lock === undefined) return;
  await emptySpool(options.spool);
  await announceNext(options.spool, options.first);
  const room = new Room(options);
  try {
    const { exitCode } = await receiveRow(options, room);
    if (exitCode === usageError) await fetchOneByOne(options, room);
  } finally {
    room.close();
  }
}

/** Lets a fetcher wait until the spool has room; says so when waiting is over for good. */
class Room {
  readonly #options: PrefetchOptions;
  readonly #watcher: ReturnType<typeof watch>;
  #wake: () => void = () => undefined;

  constructor(options: PrefetchOptions) {
    this.#options = options;
    this.#watcher = watch(options.spool.ready, () => this.#wake());
    this.#watcher.on('error', () => this.#wake()); // the spool was removed: the wait below finds that out
  }

  /** False when nobody takes segments any more. */
  async wait(): Promise<boolean> {
    const { spool, ahead, clock, dataFolder } = this.#options;
    const deadline = clock.elapsedMs() + idleMs;
    while ((await readyNames(spool)).length >= ahead) {
      const left = deadline - clock.elapsedMs();
      if (left <= 0 || !(await pathExists(join(dataFolder, 'postmaster.pid')))) return false;
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([changed, clock.sleep(Math.min(left, 1000))]);
    }
    return true;
  }

  close(): void {
    this.#watcher.close();
  }
}

/** Through one connection: `send-wals` of the backup host, as long as it sends. */
async function receiveRow(options: PrefetchOptions, room: Room): Promise<{ exitCode: number }> {
  const { fetch, first } = options;
  const words = ['send-wals', quoted(fetch.serverName), quoted(first)];
  const stopping = new AbortController();
  const running = await startProgram(remoteCall(words, fetch), { environment: fetch.environment, signal: stopping.signal });
  running.stdin.end();
  const archive = extract();
  const feeding = pipeline(running.stdout, archive);
  feeding.catch(() => undefined); // a connection that breaks ends the row; the next miss begins a new one
  let expected = first;
  try {
    for await (const member of archive) {
      const entry = member as unknown as AsyncIterable<Buffer> & { readonly header: Header }; // streamx readables give buffers
      if (entry.header.name !== String(expected) || !(await room.wait())) break;
      if (!(await store(entry, expected, options))) break;
      expected = nextSegment(expected, options.segmentSize);
    }
  } catch {
    // as above: what is in the spool is whole, and recovery asks itself for what is missing
  }
  stopping.abort();
  running.stdout.destroy();
  const { exitCode = 255 } = await running.ended;
  return { exitCode };
}

async function store(content: AsyncIterable<Buffer>, name: SegmentName, options: PrefetchOptions): Promise<boolean> {
  const arriving = join(options.spool.work, name);
  await pipeline(content, createWriteStream(arriving));
  return await publish(arriving, name, options);
}

async function publish(
  arriving: string,
  name: SegmentName,
  { spool, fetch, systemid, segmentSize }: PrefetchOptions,
): Promise<boolean> {
  let whole = arriving;
  if ((await detectCompressionOf(arriving)) !== undefined) {
    whole = `${arriving}.plain`;
    const output = createWriteStream(whole);
    await writePlainContent(arriving, output, {
      path: fetch.environment['PATH'] ?? '/usr/bin:/bin',
      environment: fetch.environment,
    });
    await new Promise<void>((resolve, reject) =>
      output.end((error?: Error | null) => (error == null ? resolve() : reject(error))),
    );
    await rm(arriving, { force: true });
  }
  if ((await segmentProblem(whole, name, systemid)) !== undefined) {
    await rm(whole, { force: true });
    return false;
  }
  await rename(whole, join(spool.ready, name));
  await announceNext(spool, nextSegment(name, segmentSize));
  return true;
}

/** For backup hosts with a real Barman: one call for each segment. */
async function fetchOneByOne(options: PrefetchOptions, room: Room): Promise<void> {
  const { spool, fetch, segmentSize } = options;
  const jobs = Math.max(1, Math.min(4, options.ahead));
  let next: SegmentName = options.first;
  for (;;) {
    if (!(await room.wait())) return;
    const names: SegmentName[] = [];
    for (let count = 0; count < jobs; count++, next = nextSegment(next, segmentSize)) names.push(next);
    const fetched = await Promise.all(
      names.map(async (name) => {
        const arriving = join(spool.work, name);
        return (await fetchWal(name, arriving, fetch)).exitCode === 0 && (await publish(arriving, name, options));
      }),
    );
    if (fetched.includes(false)) return;
  }
}
