import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readLedger } from '../../../src/catalog/index/read-ledger.ts';
import { parseWalEntry, type WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import { type ServerLayout, xlogdbPath } from '../../../src/catalog/server-layout.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

/** The folders of server `main` on a real disk. */
export interface Catalog extends AsyncDisposable {
  readonly layout: ServerLayout;
  /** Writes files by their paths below the server's folder. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Text of a file below the server's folder. */
  read(path: string): Promise<string>;
  /** Paths of all files below a folder of the server, sorted. */
  files(folder: string): Promise<string[]>;
  /** Names in the index, in its order. */
  indexed(): Promise<string[]>;
  entries(): Promise<WalEntry[]>;
}

/** A catalog with these files in it; the index is `wals/main-xlog.db`, as it is by default. */
export async function aCatalog(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<Catalog> {
  const folder = await createTemporaryFolder('catalog');
  const root = join(folder.path, 'main');
  const layout: ServerLayout = {
    serverName: 'main',
    root,
    base: join(root, 'base'),
    wals: join(root, 'wals'),
    xlogdb: join(root, 'wals'),
    incoming: join(root, 'incoming'),
    streaming: join(root, 'streaming'),
    errors: join(root, 'errors'),
    locks: folder.path,
  };
  await mkdir(root);
  const write = async (more: Readonly<Record<string, string | Uint8Array>>): Promise<void> => {
    for (const [path, content] of Object.entries(more)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
  };
  await write(files);
  const entries = async (): Promise<WalEntry[]> => {
    await readLedger(layout); // which builds an index that is missing, and refuses one that is none
    const lines = (await indexText(layout)).split('\n').slice(0, -1);
    return lines.flatMap((line) => parseWalEntry(line) ?? []);
  };
  return {
    layout,
    write,
    read: async (path) => await readFile(join(root, path), 'utf8'),
    files: async (path) => await filesBelow(join(root, path)),
    indexed: async () => (await entries()).map(({ name }) => name),
    entries,
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

/** Paths of all files below a folder, sorted, without the WAL index. */
export async function filesBelow(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => !entry.isDirectory() && !entry.name.endsWith('xlog.db'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** Content of the index at a path, as it stands. */
export async function indexText(layout: ServerLayout): Promise<string> {
  return await readFile(xlogdbPath(layout), 'utf8');
}
