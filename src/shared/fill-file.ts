import { createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

type Fill = (output: NodeJS.WritableStream) => Promise<void>;

/**
 * Lets `fill` write a file through a stream, from nothing: what was there is lost. Resolves when all is written and closed; does not
 * sync it. `fill` has to await what it writes, and meets the failures of the stream.
 * @param mode permission bits before umask
 */
export async function fillFile(path: string, fill: Fill, { mode = 0o600 }: { readonly mode?: number } = {}): Promise<void> {
  await using file = await open(path, 'w', mode);
  await fillOpenFile(file, fill);
}

/** As {@link fillFile}, for a new file that the caller has opened and will close. */
export async function fillOpenFile(file: FileHandle, fill: Fill): Promise<void> {
  const output = createWriteStream('', { fd: file.fd, autoClose: false });
  output.on('error', () => undefined); // before `fill` listens there is nobody; the end below meets it again
  await fill(output);
  await new Promise<void>((resolve, reject) => {
    output.end((error?: Error | null) => {
      if (error == null) resolve();
      else reject(error);
    });
  });
}
