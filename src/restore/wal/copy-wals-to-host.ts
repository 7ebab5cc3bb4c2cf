import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import type { Host } from '../../transport/hosts/host.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runRsync } from '../../transport/rsync/run-rsync.ts';
import { requireUsable } from '../guards/require-readable-wals.ts';
import { walPortionFiles } from '../plan/plan-staging.ts';
import type { WalPlan } from '../plan/plan-wals.ts';
import { copyWals } from './copy-wals.ts';
import type { WalToCopy } from './select-wals.ts';

interface CopyingToHost {
  readonly server: Server;
  readonly wal: WalPlan;
  readonly host: Host;
  /** On the other host. */
  readonly folder: string;
  readonly segmentSize: number;
  readonly marksArchived: boolean;
  /** A folder of ours on this host for what has to be unpacked first. */
  readonly spool: string;
  readonly compresses: boolean;
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}

/**
 * Sends plain WAL files to a folder of another host. What is stored plain goes straight from the archive, the rest through a spool.
 * @throws OperatorError as {@link copyWals}, `command-failed` or `ssh-failed`
 */
export async function copyWalsToHost(sending: CopyingToHost, context: Context): Promise<void> {
  const { wal, host, folder, segmentSize, marksArchived } = sending;
  await host.makeFolder(folder, { mode: 0o700 });
  const total = wal.copies.length;
  context.progress.begin({ label: 'Copying WAL files', totalBytes: wal.bytes });
  try {
    for (let first = 0; first < total; first += walPortionFiles) {
      const doneBytes = first * segmentSize;
      await sendPortion({ copies: wal.copies.slice(first, first + walPortionFiles), doneBytes }, sending, context);
      context.progress.advance(Math.min(first + walPortionFiles, total) * segmentSize);
    }
    if (wal.streamingPartial !== undefined) {
      await sendPortion({ copies: [], doneBytes: total * segmentSize }, sending, context);
    }
  } finally {
    context.progress.end();
  }
  if (marksArchived) await markArchived(sending, context);
}

interface Portion {
  readonly copies: readonly WalToCopy[];
  /** Of those before it. */
  readonly doneBytes: number;
}

async function sendPortion({ copies, doneBytes }: Portion, sending: CopyingToHost, context: Context): Promise<void> {
  const { server, wal, spool, segmentSize, folder, host } = sending;
  const archive = walArchiveOf(server.layout);
  const portion = join(spool, 'wal');
  await mkdir(portion, { recursive: true, mode: 0o700 });
  try {
    const isPacked = ({ entry }: WalToCopy): boolean => entry.compression !== null || entry.encryption !== null;
    for (const { entry, restoredName } of copies.filter((copy) => !isPacked(copy))) {
      const path = archive.pathOf(entry.name);
      requireUsable(path, entry, storageOf(server));
      await symlink(path, join(portion, restoredName));
    }
    const quiet = { ...context, progress: { begin: ignore, advance: ignore, end: ignore } };
    const streamingPartial = copies.length === 0 ? wal.streamingPartial : undefined;
    const packed = copies.filter(isPacked);
    await copyWals({ server, wals: packed, streamingPartial, folder: portion, segmentSize, marksArchived: false }, quiet);
    const { login } = host;
    const remote = login === undefined ? undefined : { side: 'destination' as const, login };
    const onProgress = (bytes: number): void => {
      context.progress.advance(doneBytes + bytes);
    };
    const files = await readdir(portion); // by their names, or the folder there would get the mode of this one
    await runRsync(
      { ...sending, source: portion, destination: folder, files, remote, symbolicLinks: 'follow' },
      { ...sending, environment: server.environment, isSourceStill: true, onProgress },
      context,
    );
  } finally {
    await rm(portion, { recursive: true, force: true });
  }
}

/** Tells PostgreSQL that they need not be archived again. */
async function markArchived({ host, folder, wal }: CopyingToHost, { signal }: Pick<Context, 'signal'>): Promise<void> {
  const names = [
    ...wal.copies.map(({ restoredName }) => restoredName),
    ...(wal.streamingPartial === undefined ? [] : [wal.streamingPartial.restoredName]),
  ];
  const input = names.map((name) => `${name}.done\0`).join('');
  const script = 'mkdir -p -m 0700 -- "$1" && cd "$1" && xargs -0 -r touch --';
  const result = await host.run(['sh', '-c', script, 'sh', join(folder, 'archive_status')], { input, signal });
  throwIfInterrupted(signal);
  if (result.exitCode !== 0) throw failureOf(result, `marking WAL as archived on ${host.label}`);
}

function ignore(): void {
  // the portions are counted, not their files
}
