import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { fillOpenFile } from '../shared/fill-file.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';

/**
 * Lets `fill` write a WAL file into a folder under a temporary name, and renames it when it is whole.
 * @returns its path
 * @throws OperatorError `wal-output-unwritable`, exit code 3
 */
export async function writeWalFile(
  folder: string,
  name: WalName,
  fill: (output: NodeJS.WritableStream, descriptor: number) => Promise<void>,
): Promise<string> {
  const path = join(folder, name);
  const temporary = join(folder, `.${name}.${String(process.pid)}.tmp`);
  const file = await openNew(temporary, path);
  try {
    await fillOpenFile(file, async (output) => await fill(output, file.fd));
    await file.sync();
    await file.close();
    await rename(temporary, path);
    return path;
  } catch (error) {
    await file.close().catch(() => undefined); // it may be closed already; the failure that counts is the first one
    await rm(temporary, { force: true });
    throw error;
  }
}

async function openNew(temporary: string, path: string) {
  try {
    return await open(temporary, 'w');
  } catch (error) {
    throw new OperatorError('wal-output-unwritable', `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      hint: 'the output folder must exist and be writable',
      cause: error,
      asBarman: `Unable to open '${path}' file: ${inPythonsWords(error, path)}`,
    });
  }
}

/** As Python shows a failed call: `[Errno 2] No such file or directory: '/x'`. */
function inPythonsWords(error: unknown, path: string): string {
  const errno = error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : 0;
  const [, text = String(error)] = getSystemErrorMap().get(errno) ?? [];
  return `[Errno ${String(-errno)}] ${text.charAt(0).toUpperCase()}${text.slice(1)}: '${path}'`;
}
