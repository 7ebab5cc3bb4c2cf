import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { startProgram } from '../transport/run-program.ts';
import { nextSegment, type SegmentName } from '../wal/wal-name.ts';
import { quoted, remoteCall } from './fetch-wal.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { publishSegment } from './publish-segment.ts';
import { sshFailure } from './remote-host.ts';
import { announce } from './spool.ts';
import type { SpoolWatch } from './spool-watch.ts';

type Entry = AsyncIterable<Buffer> & { readonly header: Header };

/**
 * Fills the spool through one connection: `send-wals` of the backup host sends as long as we read. A row that breaks off is no failure:
 * what is in the spool is whole, and recovery itself asks for what is missing.
 * @returns the exit code of the remote program
 */
export async function receiveRow(options: PrefetchOptions, watch: SpoolWatch): Promise<number> {
  const { fetch, first } = options;
  const words = ['send-wals', quoted(fetch.serverName), quoted(first)];
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, watch.signal]);
  const running = await startProgram(remoteCall(words, fetch), { environment: fetch.environment, signal });
  running.stdin.end();
  const archive = extract();
  const feeding = pipeline(running.stdout, archive);
  feeding.catch(() => undefined); // the loop meets the same failure
  if ((await storeMembers(archive as unknown as AsyncIterable<Entry>, options, watch)) === 'gave-up') stopping.abort(); // streamx readables give buffers
  running.stdout.resume(); // whoever ended by itself is heard to its end: its exit code says what it was
  const { exitCode = sshFailure } = await running.ended;
  return exitCode;
}

async function storeMembers(
  members: AsyncIterable<Entry>,
  options: PrefetchOptions,
  watch: SpoolWatch,
): Promise<'sender-ended' | 'gave-up'> {
  try {
    return (await storeAll(members, options, watch)) ? 'sender-ended' : 'gave-up';
  } catch {
    return 'gave-up'; // a broken connection or a full disk: see above
  }
}

/** False when what comes is not wanted. */
async function storeAll(members: AsyncIterable<Entry>, options: PrefetchOptions, watch: SpoolWatch): Promise<boolean> {
  const { spool, segmentSize, first } = options;
  let expected: SegmentName = first;
  for await (const member of members) {
    if (member.header.name !== String(expected) || !(await watch.waitForRoom())) return false;
    const arriving = join(spool.work, expected);
    await pipeline(member, createWriteStream(arriving));
    if (!(await publishSegment(arriving, expected, options))) return false;
    expected = nextSegment(expected, segmentSize);
    announce(spool, [expected]);
  }
  return true;
}
