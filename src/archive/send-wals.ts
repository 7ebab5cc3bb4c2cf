import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { isOtherSegment } from '../catalog/wal/segment-content.ts';
import type { Server } from '../config/server.ts';
import { formOf, storageOf, type WalStorage, writePlainWal } from '../encryption/stored-wal.ts';
import { fillFile } from '../shared/fill-file.ts';
import { isMissing } from '../shared/look.ts';
import { makeScratchFolder } from '../shared/scratch-folder.ts';
import type { WalName } from '../wal/wal-name.ts';
import { findWal, peekWals } from './find-wal.ts';

const namesPerLook = 16;

/**
 * Sends consecutive WAL files from `first` on as a tar stream, as they are stored, until one is missing or nobody takes them any more:
 * what a prefetching `restore_command` reads ahead through one connection. The reader's pace is ours. What only we can read, because it
 * is encrypted or compressed with a command of the server's own, is sent plain.
 */
export async function sendWals(server: Server, first: WalName, output: NodeJS.WritableStream): Promise<void> {
  const archive = pack();
  const sending = pipeline(archive as unknown as NodeJS.ReadableStream, output, { end: false }); // streamx speaks Node's protocol
  const filling = fill({ server, storage: storageOf(server), archive }, first);
  await Promise.all([sending, filling]);
}

interface Row {
  readonly server: Server;
  readonly storage: WalStorage;
  readonly archive: ReturnType<typeof pack>;
}

async function fill(row: Row, first: WalName): Promise<void> {
  const { server, archive } = row;
  let next: WalName | undefined = first;
  let isFirst = true;
  while (next !== undefined) {
    const names: WalName[] = await peekWals(server.layout, next, namesPerLook + 1);
    const [start] = names;
    if (start !== next) break;
    for (const name of isFirst ? names : names.slice(1)) {
      if (await sendOne(row, name)) continue;
      archive.finalize();
      return;
    }
    isFirst = false;
    const last: WalName | undefined = names.at(-1);
    next = last === next ? undefined : last;
  }
  archive.finalize();
}

/** False when the file is gone, or is not that segment, which ends the row. */
async function sendOne(row: Row, name: WalName): Promise<boolean> {
  const path = await findWal(row.server.layout, name, { allowsPartial: false });
  if (path === undefined) return false;
  try {
    const { compression, encryption } = await formOf(path, row.storage);
    if (encryption === undefined && compression !== 'custom') {
      if (isOtherSegment(path, name)) return false; // a request for this file alone gets the reason
      await sendFile(row, name, path);
      return true;
    }
    return await sendPlain(row, name, path);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function sendFile({ archive }: Row, name: WalName, path: string): Promise<void> {
  const { size } = await stat(path);
  const entry = archive.entry({ name, size }) as unknown as Writable; // streamx speaks Node's stream protocol
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), entry);
}

/** Through a file of its own folder: a tar stream wants to know the size first. */
async function sendPlain(row: Row, name: WalName, path: string): Promise<boolean> {
  await using folder = await makeScratchFolder('wal');
  const plain = join(folder.path, name);
  await fillFile(plain, async (to) => {
    await writePlainWal(path, to, row.storage);
  });
  if (isOtherSegment(plain, name)) return false;
  await sendFile(row, name, plain);
  return true;
}
