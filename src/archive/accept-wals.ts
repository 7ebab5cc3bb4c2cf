import { closeSync, openSync, readSync } from 'node:fs';
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { KnownCluster } from '../catalog/identity.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { CodecSurroundings } from '../compression/codec.ts';
import { BoundedSink } from '../shared/bounded-sink.ts';
import type { Context } from '../shared/context.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../shared/durable-file.ts';
import { isAlive } from '../shared/is-alive.ts';
import { isMissing } from '../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import { longestHistoryBytes } from '../wal/timeline-history.ts';
import { firstPageBytes, misplacement, parseFirstPage, parseWalName, segmentOf, walKindOf } from '../wal/wal-name.ts';
import { digestOfFile } from './digest-of-file.ts';
import { rejectWal } from './reject-wal.ts';
import {
  type DigestName,
  type Entry,
  memberName,
  type ReceivedFile,
  readChecksums,
  receiveFile,
  sumsDigestOf,
  textOf,
} from './tar-members.ts';

/** A sender has one file, and its checksum: what names files without end is none. */
const mostMembers = 10_000;

interface Transfer {
  readonly files: ReceivedFile[];
  /** Name to digest in hexadecimal. */
  readonly sums: Map<string, string>;
  digest: DigestName;
}

export interface AcceptContext extends Pick<Context, 'clock' | 'messages'> {
  /** Which cluster the catalog belongs to; asked only for plain WAL. */
  readonly readCluster?: () => Promise<KnownCluster | undefined>;
}

/**
 * Takes WAL files from a tar stream into the incoming folder (docs/reference/cli.md section 15.1): each needs a checksum, and nothing is published
 * before all of them fit. Returning means: synced, and found by the archiver and by get-wal.
 * @throws OperatorError `wal-stream-invalid`, `wal-foreign`, or `file-unwritable` for a full disk; nothing is published then, and
 * PostgreSQL keeps the files
 */
export async function acceptWals(
  layout: ServerLayout,
  input: Readable,
  context: AcceptContext,
  surroundings?: CodecSurroundings,
): Promise<void> {
  await makeFolderDurably(layout.incoming);
  await removeLeftovers(layout.incoming, context.clock.now());
  const transfer: Transfer = { files: [], sums: new Map(), digest: 'sha256' };
  try {
    await receive(layout.incoming, input, { transfer, context });
    await verify(transfer);
    if (surroundings !== undefined) await refuseBombs(transfer, surroundings);
    for (const file of transfer.files) await refuseForeign(file, context);
    for (const { name, temporary } of transfer.files) {
      await publishArrival(layout, { name, temporary, digest: transfer.digest, sum: transfer.sums.get(name) }, context);
    }
    await syncFolder(layout.incoming);
  } finally {
    for (const { temporary } of transfer.files) await rm(temporary, { force: true });
  }
}

/** Histories and labels are read whole, again and again: none is taken that unpacks to what nobody would read. */
async function refuseBombs({ files }: Transfer, surroundings: CodecSurroundings): Promise<void> {
  for (const { name, temporary } of files) {
    if (!['history', 'backup-label'].includes(walKindOf(name) ?? '')) continue;
    const { writePlainContent } = await import('../compression/all-codecs.ts');
    const tooMuch = new OperatorError(
      'wal-stream-invalid',
      `'${name}' decompresses to more bytes than such a file of PostgreSQL ever has`,
    );
    try {
      await new BoundedSink(longestHistoryBytes, tooMuch).filledBy((sink) => writePlainContent(temporary, sink, surroundings));
    } catch (error) {
      if (error === tooMuch) throw error; // other programs could not decompress it either
    }
  }
}

interface Receiving {
  readonly transfer: Transfer;
  readonly context: AcceptContext;
}

async function receive(folder: string, input: Readable, { transfer, context }: Receiving): Promise<void> {
  const archive = extract();
  // ends with the archive's end mark, which a cut stream does not have
  const feeding = pipeline(input, archive);
  feeding.catch(() => undefined); // the loop below meets the same failure
  let memberCount = 0;
  try {
    for await (const entry of archive) {
      if (++memberCount > mostMembers || transfer.sums.size > mostMembers)
        throw new OperatorError('wal-stream-invalid', `the tar stream has more than ${String(mostMembers)} files`);
      await receiveMember(folder, entry as unknown as Entry, { transfer, context }); // streamx readables give buffers
    }
    await feeding;
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError('wal-stream-invalid', `the tar stream on standard input is damaged: ${messageOf(error)}`, {
      hint: 'the transfer was interrupted or damaged; PostgreSQL will send the file again',
      cause: error,
    });
  }
  if (memberCount === 0) throw new OperatorError('wal-stream-invalid', 'the tar stream on standard input is empty');
}

async function receiveMember(folder: string, entry: Entry, { transfer, context }: Receiving): Promise<void> {
  const name = memberName(entry.header);
  const digest = sumsDigestOf(name);
  if (digest === undefined) {
    if (transfer.files.some((file) => file.name === name))
      throw new OperatorError('wal-stream-invalid', `the tar stream contains '${name}' twice`);
    await receiveFile(folder, name, { entry, files: transfer.files });
    return;
  }
  transfer.digest = digest === 'md5' ? 'md5' : transfer.digest;
  for (const [file, sum] of readChecksums(await textOf(entry), context.messages)) transfer.sums.set(file, sum);
}

async function verify({ files, sums, digest }: Transfer): Promise<void> {
  for (const name of sums.keys()) {
    if (!files.some((file) => file.name === name)) {
      throw new OperatorError('wal-stream-invalid', `the checksum list names '${name}', which is not in the tar stream`);
    }
  }
  for (const { name, temporary, sha256 } of files) {
    const expected = sums.get(name);
    if (expected === undefined) throw new OperatorError('wal-stream-invalid', `'${name}' came without a checksum`);
    const received = digest === 'sha256' ? sha256 : await digestOfFile(temporary, digest);
    if (received !== expected)
      throw new OperatorError(
        'wal-stream-invalid',
        `the checksum of '${name}' does not match: the file was damaged on its way`,
      );
  }
}

/** WAL of another cluster, or of another place than its name says, is refused while PostgreSQL still has it. */
async function refuseForeign({ name, temporary }: ReceivedFile, { readCluster }: AcceptContext): Promise<void> {
  const wal = parseWalName(name);
  const segment = wal === undefined || wal.endsWith('.backup') ? undefined : segmentOf(wal);
  const page = segment === undefined ? undefined : parseFirstPage(firstBytes(temporary));
  if (segment === undefined || page === undefined) return;
  const refuse = (problem: string, hint: string): never => {
    throw new OperatorError('wal-foreign', `${name} is refused: ${problem}`, { hint });
  };
  const misplaced = misplacement(page, segment);
  if (misplaced !== undefined) refuse(misplaced, 'archive_command has to send the file that PostgreSQL names');
  const [found, known] = [String(page.systemid), await readCluster?.()];
  if (known !== undefined && known.systemid !== found) {
    refuse(
      `it belongs to another cluster: its system identifier is ${found}, that of ${known.source} is ${known.systemid}`,
      'give the new cluster a server section and a backup_directory of its own',
    );
  }
}

function firstBytes(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(firstPageBytes);
    return head.subarray(0, readSync(file, head, 0, firstPageBytes, 0));
  } finally {
    closeSync(file);
  }
}

const dayMs = 86_400_000;

/** Removes what a killed put-wal left: its temporary files carry its process id. */
async function removeLeftovers(folder: string, now: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^\.(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    // after a reboot the id may be another process's: no transfer takes a day
    const isOld = now.getTime() - (await changedAt(join(folder, name))) > dayMs;
    if (isOld || !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

/** When a file was last written or renamed, whatever its content's time says; now for one that is gone. */
async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).ctimeMs;
  } catch (error) {
    if (isMissing(error)) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

interface CheckedFile {
  readonly name: string;
  readonly temporary: string;
  readonly digest: DigestName;
  /** The known facts about its bytes. */
  readonly sum: string | undefined;
}

/**
 * Gives a received file its name in the incoming folder, synced; the folder is left to the caller to sync. What waits there under that
 * name is never replaced: the same bytes once more are dropped, others go to the errors folder.
 */
export async function publishArrival(
  layout: ServerLayout,
  file: CheckedFile,
  { clock, messages }: Pick<Context, 'clock' | 'messages'>,
): Promise<void> {
  const { name, temporary, sum } = file;
  await syncFile(temporary);
  const path = join(layout.incoming, name);
  for (;;) {
    if (await renameNew(temporary, path)) return;
    const present = await syncedDigest(path, file);
    if (present === undefined) continue; // the archiver has taken it meanwhile
    if (present === sum) return;
    const movedTo = await rejectWal(layout, temporary, { reason: 'duplicate', now: clock.now(), name });
    messages.info(`\tError: ${name} already waits with other content; the new file was moved to ${movedTo}`);
    return;
  }
}

/** Acknowledging a file means that it is on disk, whoever brought it. Undefined when it is gone. */
async function syncedDigest(path: string, { digest }: CheckedFile): Promise<string | undefined> {
  try {
    const found = await digestOfFile(path, digest);
    await syncFile(path);
    return found;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'EISDIR' || (code === 'ENOENT' && (await isDeadLink(path)))) {
      throw new OperatorError('file-unwritable', `${path} is not a file, and blocks a WAL file of this name`, { cause: error });
    }
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function isDeadLink(path: string): Promise<boolean> {
  return await lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false, // gone: the archiver was quicker
  );
}
