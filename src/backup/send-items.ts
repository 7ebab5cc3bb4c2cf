import type { Clock } from '../shared/clock.ts';
import type { Context } from '../shared/context.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import { runRsync } from '../transport/rsync/run-rsync.ts';
import type { CopyClusterOptions, CopyItem } from './copy-item.ts';
import type { FileSelection } from './file-table.ts';
import { type CopyPlan, dealFiles, type Fate } from './plan-copy.ts';
import type { PreparedItem } from './prepare-item.ts';

/** How long rsync worked for an item: from its first file to its last, and the sum over all runs. */
export interface SendingTimes {
  copySeconds: number;
  serializedSeconds: number;
}

/** An item that is still being prepared. */
export interface ComingItem {
  readonly item: CopyItem;
  readonly prepared: Promise<PreparedItem>;
  readonly times: SendingTimes;
}

/** One run of rsync: files that are sent, compared first, or copied from the backup before, which is here. */
interface Run {
  readonly of: ComingItem;
  readonly kind: Fate;
  readonly areSparse: boolean;
  readonly files: () => Promise<FileSelection | undefined>;
}

/**
 * Sends what the plans of the items say, as many concurrent runs of rsync as `jobs` says. The first of them logs in while the items are
 * still being prepared.
 * @throws OperatorError `command-failed` or `interrupted`; or what kept an item from being prepared
 */
export async function sendItems(items: readonly ComingItem[], options: CopyClusterOptions, context: Context): Promise<void> {
  const done = new Map<Run, number>();
  const startedMs = new Map<ComingItem, number>();
  const { clock, signal, progress } = context;
  await startInBatches(runsOf(items, options), { ...options, clock, signal }, async (run) => {
    let beganMs = clock.elapsedMs();
    const files = async function* (): AsyncGenerator<string> {
      const selection = await run.files();
      beganMs = clock.elapsedMs();
      if (!startedMs.has(run.of)) startedMs.set(run.of, beganMs);
      for (const { path } of selection ?? []) yield path;
    };
    const onProgress = (bytes: number): void => {
      done.set(run, bytes);
      progress.advance([...done.values()].reduce((sum, one) => sum + one, 0));
    };
    await sendFiles(run, { ...options, files, onProgress }, context);
    const { times } = run.of;
    times.serializedSeconds += (clock.elapsedMs() - beganMs) / 1000;
    times.copySeconds = (clock.elapsedMs() - (startedMs.get(run.of) ?? beganMs)) / 1000;
  });
}

async function* runsOf(items: readonly ComingItem[], { jobs, reuse }: CopyClusterOptions): AsyncGenerator<Run> {
  const early = items.at(-1); // the data folder, of which something is always new
  const dealt = async ({ prepared }: ComingItem, kind: Fate, areSparse: boolean): Promise<FileSelection[]> =>
    dealFiles(
      (await prepared).plan[kind].which(({ isSparse }) => isSparse === areSparse),
      jobs,
    );
  if (early !== undefined) {
    yield { of: early, kind: 'sent', areSparse: false, files: async () => (await dealt(early, 'sent', false))[0] };
  }
  for (const one of items) {
    for (const kind of reuse === 'copy' ? (['reused', 'sent', 'compared'] as const) : (['sent', 'compared'] as const)) {
      for (const areSparse of [false, true]) {
        const hasBegun = one === early && kind === 'sent' && !areSparse;
        const rest = (await dealt(one, kind, areSparse)).slice(hasBegun ? 1 : 0);
        for (const files of rest) yield { of: one, kind, areSparse, files: () => Promise.resolve(files) };
      }
    }
  }
}

interface SendOptions extends CopyClusterOptions {
  readonly files: () => AsyncIterable<string>;
  readonly onProgress: (bytes: number) => void;
}

async function sendFiles({ of: { item }, kind, areSparse }: Run, options: SendOptions, context: Context): Promise<void> {
  const { host, reuse, files } = options;
  const { reference, destination } = item;
  const isFromReference = kind === 'reused' && reference !== undefined;
  const login = isFromReference ? undefined : host.login;
  await runRsync(
    {
      source: isFromReference ? reference : item.source,
      destination,
      remote: login === undefined ? undefined : { side: 'source', login },
      files,
      compares: kind === 'compared' ? 'content' : 'nothing',
      reuse: reuse === undefined || reference === undefined || isFromReference ? undefined : { kind: reuse, folder: reference },
      symbolicLinks: 'follow',
      isSourceForeign: true,
      // an attempt that failed may have linked a file which then changed: writing in place would change the backup before
      writesInPlace: kind !== 'compared',
      keepsHoles: areSparse,
      compresses: options.compresses && login !== undefined,
      kilobytesPerSecond: item.kilobytesPerSecond,
    },
    options,
    context,
  );
}

/** Bytes that go through rsync. */
export function bytesToSend({ sent, compared }: CopyPlan): number {
  return sent.bytes + compared.bytes;
}

interface BatchOptions {
  /** How many work concurrently. */
  readonly jobs: number;
  /** At most so many are started within `batchSeconds`: an sshd turns too many new connections away (MaxStartups). */
  readonly batchSize: number;
  readonly batchSeconds: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Works on items, `jobs` at a time, and starts no more than a batch of them in each period (docs/reference/engine.md section 6.5). */
async function startInBatches<T>(
  items: AsyncIterable<T>,
  options: BatchOptions,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const { jobs, batchSize, batchSeconds, clock, signal } = options;
  const startedMs: number[] = [];
  async function* inTime(): AsyncGenerator<T> {
    for await (const item of items) {
      const batchBefore = startedMs.at(-batchSize);
      if (batchBefore !== undefined) {
        const waitMs = batchBefore + batchSeconds * 1000 - clock.elapsedMs();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
      }
      startedMs.push(clock.elapsedMs());
      yield item;
    }
  }
  await forEachConcurrently(inTime(), jobs, work);
}
