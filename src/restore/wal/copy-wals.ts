import { constants, createWriteStream } from 'node:fs';
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPlainSegment, segmentProblem } from '../../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { arrivalsOf, formOf, storageOf, type WalStorage, writePlainWal } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { parseSegmentName, walKindOf } from '../../wal/wal-name.ts';
import { notThere } from '../guards/require-readable-wals.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { WalToCopy } from './select-wals.ts';

interface CopyOptions {
  readonly server: Server;
  readonly wals: readonly WalToCopy[];
  /** A partial segment of the streaming folder that is taken along, and the whole name that it gets. */
  readonly streamingPartial: { readonly path: string; readonly restoredName: string } | undefined;
  readonly folder: string;
  readonly segmentSize: number;
  /** Tells PostgreSQL with `archive_status/NAME.done` that they need not be archived again. */
  readonly marksArchived: boolean;
}

const concurrentFiles = 4;

/**
 * Writes plain copies of WAL files into a folder of mode 0700. A complete segment must have the size that PostgreSQL wants.
 * @throws OperatorError `wal-not-found`, `wal-stream-invalid`, `file-unwritable` or `interrupted`
 */
export async function copyWals(options: CopyOptions, context: Pick<Context, 'progress' | 'signal'>): Promise<void> {
  const { server, wals, streamingPartial, folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const storage = storageOf(server);
  const archive = walArchiveOf(server.layout);
  const copies = wals.map(({ entry, restoredName }) => ({
    from: archive.pathOf(entry.name),
    restoredName,
    storage,
  }));
  if (streamingPartial !== undefined) {
    const { path: from, restoredName } = streamingPartial;
    copies.push({ from, restoredName, storage: arrivalsOf(storage) });
  }
  const statusFolder = join(folder, 'archive_status');
  if (options.marksArchived) await mkdir(statusFolder, { recursive: true, mode: 0o700 });
  let doneFiles = 0;
  context.progress.begin({ label: 'Copying WAL files', totalBytes: copies.length * options.segmentSize });
  try {
    await forEachConcurrently(copies, concurrentFiles, async ({ from, restoredName, storage: storageHere }) => {
      throwIfInterrupted(context.signal);
      await copyWal({ from, to: join(folder, restoredName), storage: storageHere }, options);
      if (options.marksArchived) await writeFile(join(statusFolder, `${restoredName}.done`), '', { mode: 0o600 });
      context.progress.advance(++doneFiles * options.segmentSize);
    });
  } finally {
    context.progress.end();
  }
}

/**
 * Makes a folder of mode 0700, or takes one that is there; never one behind a symbolic link that came with the backup.
 * @param target where a link leads to that was there before
 */
export async function makeWalFolder(
  restoreHost: Pick<RestoreHost, 'makeFolder' | 'find' | 'realPath'>,
  folder: string,
  target?: string,
): Promise<void> {
  await restoreHost.makeFolder(folder);
  const kind = (await restoreHost.find(folder))?.kind;
  if (kind === 'folder' || (kind === 'link' && target !== undefined && (await restoreHost.realPath(folder)) === target)) return;
  throw new OperatorError('destination-unusable', `${folder} is a symbolic link; WAL is copied into a folder of its own`);
}

interface WalCopy {
  readonly from: string;
  readonly to: string;
  readonly storage: WalStorage;
}

async function copyWal({ from, to, storage }: WalCopy, { server, segmentSize }: CopyOptions): Promise<void> {
  try {
    const { compression, encryption } = await formOf(from, storage);
    if (compression === undefined && encryption === undefined)
      await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    else await writePlain({ from, to, storage });
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT') throw notThere(server, from, error);
    if (code === undefined || error instanceof OperatorError) throw error;
    throw new OperatorError('file-unwritable', `cannot copy ${from} to ${to}: ${code}`, { cause: error });
  }
  await requireWhole(from, to, segmentSize);
}

async function writePlain({ from, to, storage }: WalCopy): Promise<void> {
  const output = createWriteStream(to, { flags: 'wx', mode: 0o600 });
  try {
    await writePlainWal(from, output, storage);
    await new Promise<void>((resolve, reject) => {
      output.once('error', reject);
      output.end(resolve);
    });
  } finally {
    output.destroy();
  }
}

/** PostgreSQL stops with an error at a segment of another size: better to learn it now. */
async function requireWhole(from: string, to: string, segmentSize: number): Promise<void> {
  if (walKindOf(to.slice(to.lastIndexOf('/') + 1)) !== 'segment') return;
  const { size } = await stat(to);
  const name = parseSegmentName(to.slice(to.lastIndexOf('/') + 1));
  const content = readPlainSegment(to, { custom: undefined });
  const problem = name === undefined || content === undefined ? undefined : segmentProblem(content, name);
  if (size === segmentSize && problem !== undefined)
    throw new OperatorError('wal-stream-invalid', `the WAL segment ${from} cannot be restored: ${problem}`);
  if (size === segmentSize) return;
  throw new OperatorError(
    'wal-stream-invalid',
    `the WAL segment ${from} has ${String(size)} bytes instead of ${String(segmentSize)}`,
    {
      hint: 'restore to a target before it, or with --get-wal',
    },
  );
}
