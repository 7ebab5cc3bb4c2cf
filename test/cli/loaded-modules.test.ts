import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { walTar } from '../helpers/wal-tar.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

/** Which modules of ours ran, and what else was required, in one run of a command. */
interface Loaded {
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly packages: readonly string[];
  /** Modules of Node. */
  readonly builtins: readonly string[];
}

const heavyRooms = ['backup', 'check', 'hooks', 'maintenance', 'operations', 'restore', 'shipping'];

/** Loading these takes a tenth of a start of Node each, or more. */
const slowBuiltins = ['child_process', 'crypto', 'net', 'stream', 'zlib'];

describe('what runs once per WAL segment loads only what it needs', () => {
  let home: TestHome;
  beforeAll(async () => {
    home = await createTestHome({
      servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
    });
    await writeCatalog(home, 'main');
    await writeFile(join(home.folder, 'record.cjs'), recorder);
  });
  afterAll(async () => await home[Symbol.asyncDispose]());

  test('get-wal', async () => {
    const { rooms, packages } = await loadedBy(home, ['get-wal', 'main', '000000010000000000000002']);
    expect(packages).toEqual([]);
    expect(Object.keys(rooms).filter((room) => heavyRooms.includes(room))).toEqual([]);
    expect(rooms).toMatchObject({ archive: ['find-wal.ts', 'serve-wal.ts'], catalog: ['archive-layout.ts'] });
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
      archive: [
        'accept-wals.ts',
        'digest-of-file.ts',
        'member-name.ts',
        'publish-arrival.ts',
        'read-checksums.ts',
        'receive-member.ts',
        'reject-wal.ts',
        'remove-leftovers.ts',
      ],
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

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly functionName: string; readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

/** The program holds each module as a function with the name of its file, which runs when the module is first needed. */
async function modulesThatRan(folder: string): Promise<string[]> {
  const modules: string[] = [];
  for (const file of await readdir(folder)) {
    const { result } = JSON.parse(await readFile(join(folder, file), 'utf8')) as Coverage; // as Node writes it
    const parts = result.filter(({ url }) => url.includes('/dist/cli/'));
    for (const { functionName, ranges } of parts.flatMap(({ functions }) => functions)) {
      if (functionName.startsWith('src/') && (ranges[0]?.count ?? 0) > 0) modules.push(functionName);
    }
  }
  expect(modules).toContain('src/cli/run-command-line.ts');
  return [...new Set(modules)].toSorted(); // a part that takes one from another part has a function of that name, too
}

function roomsOf(modules: readonly string[]): Loaded['rooms'] {
  const rooms: Record<string, string[]> = {};
  for (const module of modules) {
    const [, room = '', file = ''] = /^src\/([^/]+)\/(.*)$/.exec(module) ?? [];
    if (room !== '') (rooms[room] ??= []).push(file);
  }
  return rooms;
}
