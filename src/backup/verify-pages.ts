import { join } from 'node:path';
import type { CopiedItem } from './copy-cluster.ts';
import type { SourceFile } from './file-table.ts';
import type { CopyPlan } from './plan-copy.ts';
import { parseRelationFile } from './relation-file.ts';
import { type BadPage, judgeAgain, type VerifyContext } from './reread-pages.ts';
import { suspectPages, type VerifiedFile, type VerifyOptions } from './suspect-pages.ts';

/**
 * Verifies every page of the relations in a backup that has not ended yet, those that it shares with the backup before too. A page that
 * was written while it was read is torn, which is no damage: it is read again from the server. What the server has sound, and has not
 * changed since the backup began, takes the place of what was copied.
 * @returns the pages that are damaged on the server
 */
export async function verifyPages(
  copied: readonly CopiedItem[],
  options: VerifyOptions,
  context: VerifyContext,
): Promise<BadPage[]> {
  const { pageBytes, startLsn, currentLsn } = options;
  const wal = { start: startLsn, end: await currentLsn() };
  const bad: BadPage[] = [];
  let doneBytes = 0;
  context.progress.begin({ label: 'Verifying checksums', totalBytes: bytesOf(copied) });
  try {
    for (const { file, size } of relationFiles(copied)) {
      for await (const suspects of suspectPages(file, { pageBytes, wal }, context.signal))
        bad.push(...(await judgeAgain(suspects, { ...options, file }, context)));
      doneBytes += size;
      context.progress.advance(doneBytes);
    }
  } finally {
    context.progress.end();
  }
  return bad;
}

function* relationFiles(copied: readonly CopiedItem[]): Generator<{ readonly file: VerifiedFile; readonly size: number }> {
  for (const { item, plan } of copied) {
    for (const { path, size } of allOf(plan)) {
      const relation = parseRelationFile(path);
      if (relation === undefined) continue;
      yield { file: { copy: join(item.destination, path), original: join(item.source, path), relation }, size };
    }
  }
}

function* allOf({ sent, compared, reused }: CopyPlan): Generator<SourceFile> {
  yield* sent;
  yield* compared;
  yield* reused;
}

function bytesOf(copied: readonly CopiedItem[]): number {
  let bytes = 0;
  for (const { size } of relationFiles(copied)) bytes += size;
  return bytes;
}
