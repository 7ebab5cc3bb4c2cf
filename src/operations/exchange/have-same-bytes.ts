import { open } from 'node:fs/promises';

const chunkBytes = 1 << 20;

/** Whether two files hold the same bytes. */
export async function haveSameBytes(a: string, b: string): Promise<boolean> {
  await using first = await open(a, 'r');
  await using second = await open(b, 'r');
  if ((await first.stat()).size !== (await second.stat()).size) return false;
  const [ofFirst, ofSecond] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  for (let position = 0; ; ) {
    const [{ bytesRead }, other] = await Promise.all([
      first.read(ofFirst, 0, chunkBytes, position),
      second.read(ofSecond, 0, chunkBytes, position),
    ]);
    const length = Math.min(bytesRead, other.bytesRead);
    if (!ofFirst.subarray(0, length).equals(ofSecond.subarray(0, length))) return false;
    if (length === 0) return bytesRead === other.bytesRead;
    position += length;
  }
}
