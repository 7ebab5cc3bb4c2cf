import { copyFile, open, rename, rm, stat, utimes } from 'node:fs/promises';
import type { Context } from '../shared/context.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import { judgePage } from './judge-page.ts';
import type { RelationFile } from './relation-file.ts';
import { blockOf, type Suspect, type VerifiedFile, type VerifyOptions, wordsOf } from './suspect-pages.ts';

/** A page whose checksum is wrong, on the server too. */
export interface BadPage {
  /** The file on the server. */
  readonly file: string;
  readonly relation: RelationFile;
  /** Number within the relation. */
  readonly block: number;
  readonly found: number;
  readonly expected: number;
}

export type VerifyContext = Pick<Context, 'clock' | 'messages' | 'progress' | 'signal'>;

const rereads = 3;
const rereadPauseMs = 100;

interface RereadOptions extends VerifyOptions {
  readonly file: VerifiedFile;
}

/**
 * Reads suspects again from the server until none is wrong, or often enough. What is sound there takes the place of what was copied.
 * @returns the pages that stay wrong
 */
export async function judgeAgain(
  suspects: readonly Suspect[],
  options: RereadOptions,
  context: VerifyContext,
): Promise<BadPage[]> {
  const { file, pageBytes } = options;
  let wrong = suspects;
  for (let left = rereads; wrong.length > 0; left--) {
    wrong = await judgeOnServer(wrong, options, context);
    if (left === 0) break;
    if (wrong.length > 0) await context.clock.sleep(rereadPauseMs, context.signal);
  }
  return wrong.map(({ index, found, expected }) => {
    return { file: file.original, relation: file.relation, block: blockOf(file, index, pageBytes), found, expected };
  });
}

/** @returns those that are wrong on the server too */
async function judgeOnServer(
  suspects: readonly Suspect[],
  options: RereadOptions,
  context: VerifyContext,
): Promise<readonly Suspect[]> {
  const { file, pageBytes, startLsn, currentLsn } = options;
  const { buffer, first, isAll } = await readOriginals(suspects, options, context.signal);
  const wal = { start: startLsn, end: await currentLsn() };
  const wrong: Suspect[] = [];
  for (const suspect of suspects) {
    const at = (suspect.index - first) * pageBytes;
    if (at + pageBytes > buffer.length) {
      if (!isAll) wrong.push(suspect);
      continue; // else the relation was truncated or dropped: so it will be by recovery
    }
    const verdict = judgePage({ buffer, words: wordsOf(buffer), at, pageBytes }, blockOf(file, suspect.index, pageBytes), wal);
    if (verdict.kind === 'wrong') wrong.push({ index: suspect.index, ...verdict });
    if (verdict.kind === 'sound') await mend(suspect.index, buffer.subarray(at, at + pageBytes), options, context);
  }
  return wrong;
}

/** The pages of the server from the first suspect to the last; `isAll` unless its disk refused some. */
async function readOriginals(suspects: readonly Suspect[], { file, host, pageBytes }: RereadOptions, signal: AbortSignal) {
  const [first, last] = [suspects[0]?.index ?? 0, suspects.at(-1)?.index ?? 0];
  const script = '[ -e "$1" ] || exit 0; exec dd if="$1" bs="$2" skip="$3" count="$4" status=none';
  const words = [file.original, pageBytes, first, last - first + 1].map(String);
  const chunks: Buffer[] = [];
  const { exitCode } = await host.run(['sh', '-c', script, 'sh', ...words], {
    signal,
    onStdout: (chunk) => chunks.push(chunk),
  });
  throwIfInterrupted(signal);
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const buffer = Buffer.from(new ArrayBuffer(length - (length % pageBytes)));
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(buffer, at);
  return { buffer, first, isAll: exitCode === 0 };
}

/** The copy alone was wrong. */
async function mend(
  index: number,
  page: Buffer,
  { file, pageBytes }: RereadOptions,
  { messages }: VerifyContext,
): Promise<void> {
  if ((await replacePage(file.copy, index, page)) === 'own') return;
  messages.warning(
    `block ${String(blockOf(file, index, pageBytes))} of ${file.copy} is damaged in the earlier backups on this host; this backup has copied it from the server again`,
  );
}

/**
 * Puts a page in the place of one of a file, durably but for the file's name. A file that other backups share becomes one of this backup
 * alone first.
 * @returns whether it was shared
 */
async function replacePage(path: string, index: number, page: Uint8Array): Promise<'shared' | 'own'> {
  const { nlink } = await stat(path);
  if (nlink > 1) await unshare(path);
  await using file = await open(path, 'r+');
  await file.write(page, 0, page.length, index * page.length);
  await file.sync();
  return nlink > 1 ? 'shared' : 'own';
}

async function unshare(path: string): Promise<void> {
  const temporary = `${path}.unshared.tmp`;
  try {
    await copyFile(path, temporary);
    const { atime, mtime } = await stat(path);
    await utimes(temporary, atime, mtime);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
