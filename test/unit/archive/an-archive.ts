import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readLedger } from '../../../src/catalog/index/read-ledger.ts';
import type { WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import type { ServerLayout } from '../../../src/catalog/server-layout.ts';
import { xlogdbPath } from '../../../src/catalog/server-layout.ts';
import type { Server } from '../../../src/config/server.ts';
import { filesBelow } from '../catalog/a-catalog.ts';
import { lonelyServer } from '../check/check-setup.ts';

export interface ArchiveServer extends AsyncDisposable {
  readonly server: Server;
  readonly layout: ServerLayout;
  /** The folder that holds it all, `FOLDER` in the configuration. */
  readonly folder: string;
  /** Writes files of the server by their paths: `incoming/0000…`; each gets the same time. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  read(path: string): Promise<Buffer>;
  /** Names in a folder of the server, sorted. */
  names(folder: string): Promise<string[]>;
  /** Files below `wals`, without the index. */
  archived(): Promise<string[]>;
  entries(): Promise<WalEntry[]>;
}

/** When files that {@link ArchiveServer.write} makes were last changed. */
export const writtenAt = 1_770_000_000.25;

/** The server `main` with these lines in its section, with an empty index. */
export async function anArchiveServer(lines = ''): Promise<ArchiveServer> {
  const lonely = await lonelyServer(lines);
  const { layout } = lonely.server;
  for (const path of [layout.wals, layout.incoming, layout.streaming, layout.locks]) await mkdir(path, { recursive: true });
  await writeFile(xlogdbPath(layout), '');
  const at = (path: string): string => join(layout.root, path);
  return {
    server: lonely.server,
    layout,
    folder: lonely.folder,
    async write(files) {
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(at(path)), { recursive: true });
        await writeFile(at(path), content);
        await utimes(at(path), writtenAt, writtenAt);
      }
    },
    read: async (path) => await readFile(at(path)),
    names: async (path) => (await readdir(at(path))).toSorted(),
    archived: async () => await filesBelow(layout.wals),
    async entries() {
      return [...(await readLedger(layout)).entries()];
    },
    [Symbol.asyncDispose]: async () => await lonely[Symbol.asyncDispose](),
  };
}
