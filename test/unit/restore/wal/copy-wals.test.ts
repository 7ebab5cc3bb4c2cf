import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { walArchiveOf } from '../../../../src/catalog/wal/wal-archive.ts';
import type { Server } from '../../../../src/config/server.ts';
import { requireReadableWals } from '../../../../src/restore/guards/require-readable-wals.ts';
import { copyWals } from '../../../../src/restore/wal/copy-wals.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { anEntry, segment } from '../restore-builders.ts';
import { aContext } from '../restore-context.ts';

const segmentSize = 1024;
const content = Buffer.alloc(segmentSize, 'w');
let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await createTemporaryFolder('copy-wals');
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

function aServer(): Server {
  const layout = { wals: join(folder.path, 'wals') } as ServerLayout; // nothing else is looked at
  return { layout, config: { name: 'main', options: {} }, programPath: '', environment: {} } as unknown as Server; // as above
}

async function archive(server: Server, archived: Record<string, Buffer>): Promise<void> {
  for (const [name, bytes] of Object.entries(archived)) {
    const path = walArchiveOf(server.layout).pathOf(anEntry(name).name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
}

async function copy(
  archived: Record<string, Buffer>,
  options: { wals?: string[]; marksArchived?: boolean } = {},
): Promise<string> {
  const server = aServer();
  await archive(server, archived);
  const destination = join(folder.path, 'pg_wal');
  const wals = (options.wals ?? Object.keys(archived)).map((name) => ({
    entry: anEntry(name),
    restoredName: anEntry(name).name,
  }));
  const marksArchived = options.marksArchived ?? false;
  await copyWals({ server, wals, streamingPartial: undefined, folder: destination, segmentSize, marksArchived }, aContext());
  return destination;
}

test('plain and compressed files arrive plain', async () => {
  const history = Buffer.from('1\t0/3000000\tx\n');
  const destination = await copy({ '1:2': content, '1:3': gzipSync(content), '00000002.history': gzipSync(history) });
  expect(await readFile(join(destination, segment('1:2')))).toEqual(content);
  expect(await readFile(join(destination, segment('1:3')))).toEqual(content);
  expect(await readFile(join(destination, '00000002.history'))).toEqual(history);
});

test('files in their final place are marked as archived', async () => {
  const destination = await copy({ '1:2': content, '00000002.history': Buffer.from('x') }, { marksArchived: true });
  expect((await readdir(join(destination, 'archive_status'))).toSorted()).toEqual([
    `${segment('1:2')}.done`,
    '00000002.history.done',
  ]);
});

test.each([
  ['is too short', { '1:2': content.subarray(1) }, 'wal-stream-invalid'],
  ['is too short when decompressed', { '1:2': gzipSync(content.subarray(1)) }, 'wal-stream-invalid'],
])('a segment that %s is refused', async (_, archived, code) => {
  await expect(copy(archived)).rejects.toMatchObject({ code });
});

test('a file that only the index knows is named', async () => {
  await expect(copy({}, { wals: ['1:2'] })).rejects.toMatchObject({ code: 'wal-not-found' });
});

describe('the judgement on WAL before anything is written', () => {
  const require = async (archived: Record<string, Buffer>, wals: readonly Parameters<typeof anEntry>[]): Promise<void> => {
    const server = aServer();
    await archive(server, archived);
    const copies = wals.map((words) => ({ entry: anEntry(...words), restoredName: 'x' }));
    await requireReadableWals(server, copies);
  };

  test('encrypted WAL is refused when nothing tells the passphrase', async () => {
    const wanted = require({ '1:2': Buffer.from('85020c03', 'hex') }, [['1:2', { encryption: 'gpg' }]]);
    await expect(wanted).rejects.toMatchObject({ code: 'decryption-failed' });
  });

  test('WAL that needs a program that is not there is refused', async () => {
    const wanted = require({ '1:2': content, '1:3': Buffer.from('28b52ffd', 'hex') }, [
      ['1:2', {}],
      ['1:3', { compression: 'zstd' }],
    ]);
    await expect(wanted).rejects.toMatchObject({
      code: 'program-missing',
      message: 'the program zstd was not found; it is needed for what is compressed with zstd',
    });
  });

  test('the first of the files that only the index knows is named', async () => {
    const wanted = require({ '1:2': content }, [
      ['1:4', {}],
      ['1:2', {}],
      ['1:3', {}],
    ]);
    await expect(wanted).rejects.toMatchObject({
      code: 'wal-not-found',
      message: expect.stringContaining(segment('1:3')) as string,
    });
  });

  test('readable WAL is not refused', async () => {
    await require({ '1:2': content, '1:3': gzipSync(content) }, [
      ['1:2', {}],
      ['1:3', { compression: 'gzip' }],
    ]);
  });
});
