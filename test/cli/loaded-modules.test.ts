import { readdir, readFile, writeFile } from 'node:fs/promises';
import { SourceMap, type SourceMapPayload, wrap } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { aSegment } from '../helpers/wal-segment.ts';
import { walTar } from '../helpers/wal-tar.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

/** Which modules of ours ran, and what else was required, in one run of a command. */
interface Loaded {
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly packages: readonly string[];
  /** Modules of Node. */
  readonly builtins: readonly string[];
}

const received = '00000001000000000000000B';
const heavyRooms = ['backup', 'check', 'hooks', 'maintenance', 'operations', 'restore', 'shipping'];

/** Loading these takes a tenth of a start of Node each, or more. */
const slowBuiltins = ['child_process', 'crypto', 'net', 'stream', 'zlib'];

describe('a command that runs once per WAL segment loads only the modules that it needs', () => {
  let home: TestHome;
  beforeAll(async () => {
    home = await createTestHome({
      servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
    });
    await writeCatalog(home, 'main');
    await home.makeFolder('home/main/streaming');
    await writeFile(home.server('main', 'streaming', received), aSegment(11, { bytes: 16 << 20 }));
    await writeFile(join(home.folder, 'record.cjs'), recorder);
  });
  afterAll(async () => await home[Symbol.asyncDispose]());

  test('get-wal', async () => {
    const { rooms, packages, builtins } = await loadedBy(home, ['get-wal', 'main', received]);
    expect(packages).toEqual([]);
    expect(slowBuiltins.filter((name) => builtins.includes(name))).toEqual([]);
    expect(Object.keys(rooms).filter((room) => heavyRooms.includes(room))).toEqual([]);
    expect(rooms).toMatchObject({
      archive: ['find-wal.ts', 'serve-wal.ts'],
      catalog: ['wal/segment-content.ts', 'wal/wal-archive.ts'],
      storage: ['folder-store.ts', 'open-store.ts'],
    });
    expect(rooms['postgres'] ?? []).not.toContain('connect.ts');
    expect(rooms['transport'] ?? []).not.toContain('ssh-connection.ts');
  });

  test('put-wal', async () => {
    const name = '000000010000000000000009';
    const input = await walTar(new Map([[name, Buffer.from('content')]]));
    const { rooms, packages } = await loadedBy(home, ['put-wal', 'main'], input);
    expect(packages).toEqual(['tar-stream']);
    expect(Object.keys(rooms).filter((room) => heavyRooms.includes(room))).toEqual([]);
    expect(rooms).toMatchObject({
      archive: ['accept-wals.ts', 'digest-of-file.ts', 'reject-wal.ts', 'tar-members.ts'],
    });
    expect(rooms['postgres'] ?? []).not.toContain('connect.ts');
    expect(rooms['transport'] ?? []).not.toContain('ssh-connection.ts');
  });
});

test('a command that only reads the catalog loads no slow module of Node', async () => {
  await using home = await createTestHome({
    servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
  });
  await writeCatalog(home, 'main');
  await writeFile(join(home.folder, 'record.cjs'), recorder);
  await runPgcellar(['list-backups', 'main'], { home }); // makes the ledger
  for (const words of [['list-servers'], ['list-backups', 'main'], ['show-backup', 'main', 'latest']]) {
    const { builtins } = await loadedBy(home, words);
    expect([words, slowBuiltins.filter((name) => builtins.includes(name))]).toEqual([words, []]);
    expect(builtins).toContain('fs');
  }
});

/** Writes down every package that is required from our own code. */
const recorder = `
const Module = require('node:module');
const { appendFileSync, writeFileSync } = require('node:fs');
process.on('exit', () => writeFileSync(process.env.RECORD + '.builtins', process.moduleLoadList.join('\\n')));
const load = Module._load;
Module._load = function (request, parent, ...rest) {
  const isOurs = !(parent?.filename ?? '').includes('node_modules');
  if (isOurs && /^[a-z@]/.test(request) && !Module.isBuiltin(request)) appendFileSync(process.env.RECORD, request + '\\n');
  return load.call(this, request, parent, ...rest);
};`;

async function loadedBy(home: TestHome, words: readonly string[], input?: Buffer): Promise<Loaded> {
  const folder = await home.makeFolder(`coverage-${words[0] ?? ''}`);
  const record = join(folder, 'packages');
  await writeFile(record, '');
  const env = {
    NODE_V8_COVERAGE: join(folder, 'v8'),
    NODE_OPTIONS: `--require ${join(home.folder, 'record.cjs')}`,
    RECORD: record,
  };
  const result = await runPgcellar(words, { home, env, ...(input === undefined ? {} : { input }) });
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  const packages = new Set((await readFile(record, 'utf8')).split('\n').filter((line) => line !== ''));
  const builtins = (await readFile(`${record}.builtins`, 'utf8')).split('\n').map((line) => line.replace('NativeModule ', ''));
  return { builtins, rooms: roomsOf(await modulesThatRan(join(folder, 'v8'))), packages: [...packages].toSorted() };
}

/** Of a function, in characters of the text that was compiled. */
interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Coverage {
  readonly result: readonly { readonly url: string; readonly functions: readonly { readonly ranges: readonly Range[] }[] }[];
}

/** The program holds each module as a function that runs when the module is first needed; the map says which file it was made of. */
async function modulesThatRan(folder: string): Promise<string[]> {
  const modules = new Set<string>();
  for (const file of await readdir(folder)) {
    const { result } = JSON.parse(await readFile(join(folder, file), 'utf8')) as Coverage; // as Node writes it
    for (const { url, functions } of result.filter((script) => script.url.includes('/dist/cli/'))) {
      const sourceOf = await readSources(url.replace('file://', ''));
      for (const [range] of functions.map(({ ranges }) => ranges)) {
        if (range !== undefined && range.count > 0) modules.add(sourceOf(range) ?? '');
      }
    }
  }
  expect([...modules]).toContain('src/cli/run-command-line.ts');
  return [...modules].toSorted();
}

/** Gives the source of the module that a function of the compiled text is, if it is one. */
async function readSources(path: string): Promise<(range: Range) => string | undefined> {
  const text = wrap(await readFile(path, 'utf8'));
  const map = new SourceMap(JSON.parse(await readFile(`${path}.map`, 'utf8')) as SourceMapPayload); // the build wrote it
  return ({ startOffset, endOffset }) => {
    const beginning = text.slice(startOffset, startOffset + 40).replaceAll(/\\?\n/g, ''); // long lines are broken, in strings too
    if (!beginning.startsWith('()=>{"use strict";')) return undefined;
    const before = text.slice(0, startOffset).split('\n');
    const [line, column] = [before.length - 1, before.at(-1)?.length ?? 0];
    for (const [down, content] of text.slice(startOffset, endOffset).split('\n').entries()) {
      for (let right = 0; right < content.length; right++) {
        const entry = map.findEntry(line + down, (down === 0 ? column : 0) + right);
        if (!('originalSource' in entry)) continue;
        const isInside = entry.generatedLine > line || (entry.generatedLine === line && entry.generatedColumn >= column);
        if (isInside) return entry.originalSource.replace(/^(?:\.\.\/)+/, '');
      }
    }
    return undefined;
  };
}

function roomsOf(modules: readonly string[]): Loaded['rooms'] {
  const rooms: Record<string, string[]> = {};
  for (const module of modules) {
    const [, room = '', file = ''] = /^src\/([^/]+)\/(.*)$/.exec(module) ?? [];
    if (room !== '') (rooms[room] ??= []).push(file);
  }
  return rooms;
}
