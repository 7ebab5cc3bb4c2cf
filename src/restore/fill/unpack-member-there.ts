import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { formOf, readClear, type WalStorage } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { withRetries } from '../../shared/with-retries.ts';
import { runRsync } from '../../transport/rsync/run-rsync.ts';
import { dataFolder, type SourceMember } from '../content/backup-source.ts';
import { findTarFiles } from '../content/tar-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { StageClock } from '../plan/stage-clock.ts';
import { makeStaging } from '../plan/staging.ts';
import { baseJob, type Sending } from './send-trees.ts';
import { checkTar } from './unpack-tar.ts';
import { unpackThere } from './unpack-there.ts';

/** Work with a staging folder on the host of the destination. */
export interface PackedWork {
  readonly restoreHost: RestoreHost;
  /** How things are sent; its places are not looked at. */
  readonly sending: Sending;
  /** On the other host. */
  readonly staging: string;
  /** Where a folder for clear files may be made on this host. */
  readonly stagingPath: string;
  readonly storage: WalStorage;
  readonly jobs: number;
  readonly stages: StageClock;
  readonly context: Context;
}

interface MemberPlaces extends Pick<Sending['places'], 'destination' | 'tablespaces'> {
  /** The member is only read by `pg_combinebackup`. */
  readonly isForReading: boolean;
  /** The expected number of bytes when it is unpacked. */
  readonly totalBytes: number;
}

/** A tar file without encryption on this host, and where it goes. */
interface PackedFile {
  readonly archive: string;
  readonly destination: string;
  readonly isDataFolder: boolean;
  /** Its destination is a folder of the data folder, which nobody has made yet. */
  readonly isInPlace?: boolean;
  readonly knownOids: ReadonlySet<string>;
  readonly isForReading: boolean;
}

/**
 * Sends the tar files of a member and unpacks them there, while what is in them is checked here. Folders that they go to have to be there.
 * @throws OperatorError `backup-not-usable`, `decryption-failed`, `command-failed`, `file-unreadable` or `interrupted`
 */
export async function unpackMemberThere(member: SourceMember, to: MemberPlaces, work: PackedWork): Promise<void> {
  const { restoreHost, stages, context, stagingPath } = work;
  const packed = join(work.staging, member.backup.id, 'packed');
  await restoreHost.makeFolder(packed);
  await using clear = member.isEncrypted ? await makeStaging(stagingPath) : undefined;
  const files = await filesOf(member, to, { ...work, clear: clear?.path });
  for (const { destination, isInPlace } of files) if (isInPlace === true) await restoreHost.makeFolder(destination);
  const bytes = await totalSize(files);
  await stages.run('send', bytes, () => sendChecked(files, packed, bytes, work));
  if (to.isForReading) {
    await sendFiles([join(dataFolder(member), 'backup_manifest')], to.destination, work, context);
  }
  await stages.run('unpack', to.totalBytes, () => unpackAll(files, packed, to.totalBytes, work));
  await restoreHost.remove(packed);
}

async function filesOf(
  member: SourceMember,
  { destination, tablespaces, isForReading }: MemberPlaces,
  { clear, storage, stages, context }: PackedWork & { readonly clear: string | undefined },
): Promise<readonly PackedFile[]> {
  const tars = await findTarFiles(member);
  const knownOids = new Set([...tars.tablespaces.keys()].map(String));
  const files = [
    { archive: tars.data, destination, isDataFolder: true, knownOids, isForReading },
    ...tablespaces.map(({ oid, location }) => {
      const archive = tars.tablespaces.get(oid) ?? '';
      return { archive, destination: location, isDataFolder: false, knownOids, isForReading };
    }),
    ...[...tars.inPlace].map(([oid, archive]) => {
      const inside = join(destination, 'pg_tblspc', String(oid));
      return { archive, destination: inside, isDataFolder: false, isInPlace: true, knownOids, isForReading };
    }),
  ];
  if (clear === undefined) return files;
  const totalBytes = await totalSize(files);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    context.progress.advance(doneBytes);
  };
  context.progress.begin({ label: 'Decrypting', totalBytes });
  try {
    return await stages.run('decrypt', totalBytes, async () => {
      const decrypted: PackedFile[] = [];
      for (const file of files) decrypted.push({ ...file, archive: await decrypt(file.archive, clear, { storage, onBytes }) });
      return decrypted;
    });
  } finally {
    context.progress.end();
  }
}

/** Compressed it stays. */
async function decrypt(
  archive: string,
  folder: string,
  { storage, onBytes }: { readonly storage: WalStorage; readonly onBytes: (bytes: number) => void },
): Promise<string> {
  const path = join(folder, basename(archive).replace(/\.gpg$/, ''));
  await readClear(archive, storage, async ({ open }) => {
    const content = open();
    content.on('data', (chunk: Buffer) => {
      onBytes(chunk.length);
    });
    await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  });
  return path;
}

async function totalSize(files: readonly PackedFile[]): Promise<number> {
  const sizes = await Promise.all(files.map(async ({ archive }) => (await stat(archive)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Nothing is unpacked there before all of it was found to be a backup. */
async function sendChecked(files: readonly PackedFile[], packed: string, bytes: number, work: PackedWork): Promise<void> {
  const { jobs, storage, context } = work;
  const send = async (): Promise<void> => {
    context.progress.begin({ label: 'Sending packed files', totalBytes: bytes });
    try {
      await sendFiles(
        files.map(({ archive }) => archive),
        packed,
        work,
        context,
      );
    } finally {
      context.progress.end();
    }
  };
  const check = async (): Promise<void> => {
    await forEachConcurrently(files, jobs, (file) => checkTar(file, { storage, signal: context.signal }));
  };
  await forEachConcurrently([send, check], 2, (step) => step());
}

/** All of one folder. */
async function sendFiles(
  paths: readonly string[],
  destination: string,
  { sending }: PackedWork,
  context: Context,
): Promise<void> {
  const [first = ''] = paths;
  const job = { ...baseJob(sending), source: dirname(first), destination, files: paths.map((path) => basename(path)) };
  const onProgress = (bytes: number): void => {
    context.progress.advance(bytes);
  };
  await runRsync(job, { ...sending, isSourceStill: true, onProgress }, context);
}

async function unpackAll(
  files: readonly PackedFile[],
  packed: string,
  totalBytes: number,
  { restoreHost, sending, storage, jobs, context }: PackedWork,
): Promise<void> {
  const written = new Map<PackedFile, number>();
  context.progress.begin({ label: 'Unpacking', totalBytes });
  try {
    await forEachConcurrently(files, jobs, async (file) => {
      const { compression } = await formOf(file.archive, storage);
      const there = { ...file, archive: join(packed, basename(file.archive)), compression };
      await withRetries(sending, context, async (isRepeated) => {
        await unpackThere(restoreHost, { ...there, isRepeated }, (bytes) => {
          written.set(file, Math.max(bytes, written.get(file) ?? 0));
          context.progress.advance([...written.values()].reduce((sum, one) => sum + one, 0));
        });
      });
    });
  } finally {
    context.progress.end();
  }
}
