import { rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { encryptFile, type ProgramSurroundings } from '../encryption/gpg.ts';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import { namesIn } from '../shared/look.ts';

interface EncryptionOptions extends ProgramSurroundings {
  /** The key, as `gpg --recipient` takes it. */
  readonly recipient: string;
  readonly signal: AbortSignal;
}

/** `base.tar.zst`; also what gpg was writing when it was killed. */
const archiveShape = /^(?!.*\.gpg$).*\.tar(\.\w+)?$/;
const unfinishedShape = /^\..*\.tar(\.\w+)?\.gpg\.tmp$/;

/**
 * Puts `FILE.gpg` in the place of every tar file of a backup (docs/reference/catalog.md section 9), several concurrently; what is clear goes when the encrypted
 * file is on disk. The manifest stays clear: the next incremental backup is taken by it.
 * @throws OperatorError `program-missing`, or `command-failed` with what gpg said
 */
export async function encryptArchives(dataFolder: string, options: EncryptionOptions): Promise<void> {
  const archives = (await namesIn(dataFolder)).filter((name) => archiveShape.test(name));
  await forEachConcurrently(archives, availableParallelism(), async (name) => {
    await encryptOne(dataFolder, name, options);
  });
  await syncFolder(dataFolder);
}

/** Removes what a backup that failed or was killed before its end left clear. */
export async function removeClearArchives(dataFolder: string): Promise<void> {
  const clear = (await namesIn(dataFolder)).filter((name) => archiveShape.test(name) || unfinishedShape.test(name));
  for (const name of clear) await rm(join(dataFolder, name), { force: true });
  if (clear.length > 0) await syncFolder(dataFolder);
}

async function encryptOne(folder: string, name: string, options: EncryptionOptions): Promise<void> {
  const [clear, encrypted] = [join(folder, name), join(folder, `${name}.gpg`)];
  const temporary = join(folder, `.${name}.gpg.tmp`);
  try {
    await encryptFile(clear, temporary, options);
    await syncFile(temporary);
    await rename(temporary, encrypted);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await rm(clear);
}
