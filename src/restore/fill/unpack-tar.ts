import { chmod, mkdir, open, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { WalStorage } from '../../encryption/stored-wal.ts';
import { onDisk } from '../../shared/file-name.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { readTar, type TarMember } from '../content/read-tar.ts';
import {
  controlFile,
  emptiedFolders,
  heldControlFile,
  isOfTablespace,
  leftOutFiles,
  realFolders,
} from '../content/restored-files.ts';
import type { Throttle } from './throttle.ts';

/** One tar file and the folder that it is unpacked into. */
export interface Unpacking {
  readonly archive: string;
  readonly destination: string;
  readonly isDataFolder: boolean;
  /** Oids of the tablespaces: their links are made when their places are known. */
  readonly knownOids: ReadonlySet<string>;
  /** The control file keeps its name: what is unpacked is only read by another program. */
  readonly isForReading: boolean;
  /** An attempt before this one may have left files, which are replaced. */
  readonly isRepeated?: boolean;
}

interface UnpackContext {
  readonly storage: WalStorage;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** Bytes of files that were written. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Unpacks a tar file of a backup into a folder that is empty or missing. Nothing is ever written through a symbolic link, because none is made, and no file
 * is written twice. The control file gets another name, so what a crash leaves cannot be started.
 * @throws OperatorError `backup-not-usable`, `decryption-failed`, `file-unwritable` or `interrupted`
 */
export async function unpackTar(unpacking: Unpacking, context: UnpackContext): Promise<void> {
  const folders: { path: string; member: TarMember }[] = [];
  const stale = unpacking.isRepeated === true ? new StaleFiles() : undefined;
  await makeFolder(unpacking.destination);
  await readTar(unpacking.archive, context.storage, async (member, content) => {
    throwIfInterrupted(context.signal);
    const target = targetOf(unpacking, member);
    if (target === undefined) return undefined;
    const path = join(unpacking.destination, target);
    if (member.kind === 'folder') {
      await makeFolder(path);
      folders.push({ path, member });
    } else {
      await makeFolder(dirname(path));
      await stale?.replace(path);
      await writeMember(path, { member, content }, context);
    }
    return undefined;
  });
  for (const { path, member } of folders.toReversed()) {
    await writing(path, async () => {
      await chmod(onDisk(path), folderMode(member));
      await utimes(onDisk(path), member.modifiedAt, member.modifiedAt);
    });
  }
  // a tar file has no entry for its root: the folders in it are of the same cluster
  const allowsGroup = folders.some(({ member }) => folderMode(member) === 0o750);
  if (allowsGroup) await writing(unpacking.destination, () => chmod(onDisk(unpacking.destination), 0o750));
}

/** Group access is asked for with `initdb -g`; PostgreSQL knows no other modes. */
function folderMode({ mode }: TarMember): number {
  return mode === 0o750 ? 0o750 : 0o700;
}

/**
 * Reads a tar file to its end and refuses what {@link unpackTar} would: for one that another program will unpack.
 * @throws OperatorError `backup-not-usable`, `file-unreadable`, `decryption-failed` or `interrupted`
 */
export async function checkTar(
  unpacking: Omit<Unpacking, 'destination'>,
  { storage, signal }: Pick<UnpackContext, 'storage' | 'signal'>,
): Promise<void> {
  await readTar(unpacking.archive, storage, (member) => {
    throwIfInterrupted(signal);
    targetOf(unpacking, member);
    return Promise.resolve(undefined);
  });
}

/** The files that an earlier attempt left, each removed once: a second member of the same name still finds the first. */
class StaleFiles {
  readonly #replaced = new Set<string>();

  async replace(path: string): Promise<void> {
    if (this.#replaced.has(path)) return;
    this.#replaced.add(path);
    await writing(path, () => rm(onDisk(path), { force: true }));
  }
}

/** Where a member goes; undefined for what a restore leaves out. */
function targetOf(
  { archive, isDataFolder, knownOids, isForReading }: Omit<Unpacking, 'destination'>,
  { path, kind }: TarMember,
): string | undefined {
  if (path === '') return undefined;
  if (kind === 'link') {
    const [folder, oid = '', ...more] = path.split('/');
    if (isDataFolder && folder === 'pg_tblspc' && knownOids.has(oid) && more.length === 0) return undefined;
    throw new OperatorError(
      'backup-not-usable',
      `the tar file ${archive} is not a backup: its member '${path}' is a symbolic link`,
      {
        hint: 'a restored server would write into the target of that link',
      },
    );
  }
  if (kind === 'file' && (path === heldControlFile || realFolders.has(path))) {
    throw new OperatorError('backup-not-usable', `the tar file ${archive} is not a backup: it has a file '${path}'`);
  }
  if (!isDataFolder) return withinTablespace(archive, path);
  if (path === controlFile) return isForReading ? path : heldControlFile;
  if (isForReading) return path;
  const [first = ''] = path.split('/');
  if (leftOutFiles.has(path) || (emptiedFolders.has(first) && path !== first)) return undefined;
  return path;
}

function withinTablespace(archive: string, path: string): string {
  if (isOfTablespace(path)) return path;
  throw new OperatorError(
    'backup-not-usable',
    `the tar file ${archive} is not of a tablespace: its member ${JSON.stringify(path)} is not PostgreSQL's`,
    { hint: 'restore from another backup, and examine the other files that the server has sent' },
  );
}

async function writeMember(
  path: string,
  { member, content }: { member: TarMember; content: Readable },
  { throttle, onBytes }: UnpackContext,
): Promise<void> {
  await writing(path, async () => {
    await using file = await open(onDisk(path), 'wx', 0o600);
    // streamx readables give buffers
    for await (const chunk of content as AsyncIterable<Buffer>) {
      await file.writeFile(chunk);
      onBytes(chunk.length);
      await throttle.take(chunk.length);
    }
    await file.chmod(member.mode);
    await file.utimes(member.modifiedAt, member.modifiedAt);
  });
}

async function makeFolder(path: string): Promise<void> {
  await writing(path, () => mkdir(onDisk(path), { recursive: true, mode: 0o700 }));
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined || error instanceof OperatorError || !/^E[A-Z]+$/.test(code)) throw error;
    throw new OperatorError('file-unwritable', `cannot write ${path}: ${code}`, { cause: error });
  }
}
