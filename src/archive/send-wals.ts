import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { Server } from '../config/server.ts';
import { isMissing } from '../shared/look.ts';
import type { WalName } from '../wal/wal-name.ts';
import { findWal, peekWals } from './find-wal.ts';

const peekedAtOnce = 16;

/**
 * Sends consecutive WAL files from `first` on as a tar stream, as they are stored, until one is missing or nobody takes them any more:
 * what a prefetching `restore_command` reads ahead through one connection. The reader's pace is ours.
 */
export async function sendWals(server: Server, first: WalName, output: NodeJS.WritableStream): Promise<void> {
  const archive = pack();
  const sending = pipeline(archive as unknown as NodeJS.ReadableStream, output, { end: false }); // streamx speaks Node's protocol
  const filling = fill(server, first, archive);
  await Promise.all([sending, filling]);
}

async function fill(server: Server, first: WalName, archive: ReturnType<typeof pack>): Promise<void> {
  let next: WalName | undefined = first;
  let isFirst = true;
  while (next !== undefined) {
    const names: WalName[] = await peekWals(server.layout, next, peekedAtOnce + 1);
    const [start] = names;
    if (start !== next) break;
    for (const name of isFirst ? names : names.slice(1)) {
      if (await sendOne(server, name, archive)) continue;
      archive.finalize();
      return;
    }
    isFirst = false;
    const last: WalName | undefined = names.at(-1);
    next = last === next ? undefined : last;
  }
  archive.finalize();
}

/** False when the file is gone, which ends the row. */
async function sendOne(server: Server, name: WalName, archive: ReturnType<typeof pack>): Promise<boolean> {
  const path = await findWal(server.layout, name, { allowsPartial: false });
  if (path === undefined) return false;
  try {
    const { size } = await stat(path);
    const entry = archive.entry({ name, size }) as unknown as Writable; // streamx speaks Node's stream protocol
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), entry);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
