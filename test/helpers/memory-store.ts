import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sizeAndTime } from '../../src/shared/look.ts';
import type { AdoptedFile, ObjectFacts, ObjectStore, RemovalWatch } from '../../src/storage/object-store.ts';

interface Stored {
  readonly content: Buffer;
  readonly time: number;
}

/** Objects that nobody else sees and no path leads to: it shows what works without a local folder. Dispose it to remove what was staged. */
export class MemoryStore implements ObjectStore, AsyncDisposable {
  readonly location = 'memory';
  readonly #objects = new Map<string, Stored>();
  #staging: Promise<string> | undefined;

  async list(key: string): Promise<readonly string[]> {
    const words = this.#below(key).map((found) => found.slice(key === '' ? 0 : key.length + 1).split('/')[0]!);
    return await Promise.resolve([...new Set(words)]);
  }

  async stat(key: string): Promise<ObjectFacts | undefined> {
    const found = this.#objects.get(key);
    if (found !== undefined) return await Promise.resolve({ size: found.content.length, time: found.time });
    return this.#below(key).length > 0 ? { size: 0, time: 0 } : undefined;
  }

  async read(key: string, { start, length }: { readonly start: number; readonly length: number }): Promise<Buffer> {
    const found = this.#objects.get(key);
    if (found === undefined) throw Object.assign(new Error(`ENOENT: no object ${key}`), { code: 'ENOENT' });
    return await Promise.resolve(found.content.subarray(start, start + length));
  }

  async put(key: string, content: string | Uint8Array, { onlyIfAbsent = false } = {}): Promise<boolean> {
    if (onlyIfAbsent && this.#objects.has(key)) return await Promise.resolve(false);
    this.#objects.set(key, { content: Buffer.from(content as Uint8Array), time: 0 });
    return true;
  }

  async stagingPath(key: string, suffix: string): Promise<string> {
    this.#staging ??= mkdtemp(join(tmpdir(), 'memory-store-'));
    return join(await this.#staging, `${key.replaceAll('/', '_')}${suffix}`);
  }

  async adopt(files: readonly AdoptedFile[]): Promise<void> {
    for (const { from, key } of files) await this.#take(from, key);
    for (const { from } of files) await rm(from, { recursive: true });
  }

  async remove(keys: Iterable<string>, watch?: RemovalWatch): Promise<void> {
    for (const [at, key] of [...keys].entries()) {
      await watch?.before(at);
      for (const found of [key, ...this.#below(key)]) this.#objects.delete(found);
      await watch?.after(at);
    }
  }

  localPath(): undefined {
    return undefined;
  }

  async probe(): Promise<void> {
    await Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#staging !== undefined) await rm(await this.#staging, { recursive: true, force: true });
  }

  #below(key: string): string[] {
    return [...this.#objects.keys()].filter((found) => key === '' || found.startsWith(`${key}/`));
  }

  async #take(from: string, key: string): Promise<void> {
    if ((await lstat(from)).isDirectory()) {
      for (const name of await readdir(from)) await this.#take(join(from, name), `${key}/${name}`);
      return;
    }
    this.#objects.set(key, { content: await readFile(from), time: (await sizeAndTime(from)).time });
  }
}
