import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { archiveArrivals } from '../../../src/archive/archive-arrivals.ts';
import { realignStreamingFolder, runPgReceivewal } from '../../../src/archive/run-pg-receivewal.ts';
import { clientConnection } from '../../../src/postgres/client-connection.ts';
import { parseConninfo } from '../../../src/postgres/conninfo.ts';
import { aSegment, nameOfSegment, systemid } from '../../helpers/wal-segment.ts';
import { segmentOf, walOf } from '../catalog/a-backup.ts';
import { aCatalog } from '../catalog/a-catalog.ts';
import { aContext } from '../restore/restore-context.ts';
import { type ArchiveServer, anArchiveServer } from './an-archive.ts';

const realign = async ({ layout }: Pick<ArchiveServer, 'layout'>, restart: string, isHistoryLeft = false) =>
  await realignStreamingFolder(layout, {
    restart: segmentOf(restart),
    segmentSize: 16 * 1024 * 1024,
    isHistoryLeft,
    archive: () => Promise.resolve(), // what stays then is kept aside
  });

test.each([
  { title: 'an empty folder begins where the server can go on', found: [], left: ['1:5.partial'], removed: undefined },
  {
    title: 'the newest partial segment gives way',
    found: ['1:2', '1:3.partial'],
    left: ['1:2', '1:5.partial'],
    removed: '1:3.partial',
  },
  { title: 'whole segments stay', found: ['1:3', '1:4'], left: ['1:3', '1:4', '1:5.partial'], removed: undefined },
  {
    title: 'only the newest of several partial segments goes',
    found: ['1:2.partial', '1:4.partial'],
    left: ['1:2.partial', '1:5.partial'],
    removed: '1:4.partial',
  },
])('$title', async ({ found, left, removed }) => {
  await using catalog = await aCatalog(Object.fromEntries(found.map((short) => [`streaming/${walOf(short)}`, 'x'])));
  const outcome = await realign(catalog, '1:5');
  expect(outcome).toEqual({
    kind: 'realigned',
    removed: removed === undefined ? undefined : walOf(removed),
    created: walOf('1:5.partial'),
    aside: removed === undefined ? [] : [`.aside/${walOf(removed)}`],
  });
  expect((await catalog.files('streaming')).filter((path) => !path.includes('.aside/'))).toEqual(left.map(walOf));
  if (removed !== undefined) expect(await catalog.read(`streaming/.aside/${walOf(removed)}`)).toBe('x');
  expect((await stat(join(catalog.layout.streaming, walOf('1:5.partial')))).size).toBe(0);
});

test.each(['1:5', '1:5.partial'])('a folder that ends with %s already begins there', async (short) => {
  await using catalog = await aCatalog({ [`streaming/${walOf(short)}`]: 'received' });
  expect(await realign(catalog, '1:5')).toEqual({ kind: 'nothing-to-do' });
  expect(await catalog.read(`streaming/${walOf(short)}`)).toBe('received');
});

test('a folder that is ahead of the server is left alone', async () => {
  await using catalog = await aCatalog({ [`streaming/${walOf('1:6')}`]: 'x', [`streaming/${walOf('1:7.partial')}`]: 'x' });
  await expect(realign(catalog, '1:5')).rejects.toMatchObject({
    code: 'receiver-failed',
  });
  expect(await catalog.files('streaming')).toEqual([walOf('1:6'), walOf('1:7.partial')]);
});

test('WAL further on an abandoned timeline is kept aside, and never replaced there', async () => {
  const found = ['1:6', '1:7.partial', '.aside/1:7.partial'];
  await using catalog = await aCatalog(
    Object.fromEntries(
      found.map((short) => [`streaming/${short.startsWith('.') ? `.aside/${walOf('1:7.partial')}` : walOf(short)}`, short]),
    ),
  );
  const outcome = await realign(catalog, '2:5', true);
  const aside = [`.aside/${walOf('1:6')}`, `.aside/${walOf('1:7.partial')}.1`];
  expect(outcome).toEqual({ kind: 'realigned', removed: walOf('1:7.partial'), created: walOf('2:5.partial'), aside });
  expect(await catalog.read(`streaming/${aside[1] ?? ''}`)).toBe('1:7.partial');
  expect(await catalog.read(`streaming/.aside/${walOf('1:7.partial')}`)).toBe('.aside/1:7.partial');
});

const segmentSize = 1024 * 1024;

test.each(['before', 'after'] as const)(
  'what is left of a realignment that ended %s it archived is archived or kept, under its own name',
  async (when) => {
    await using home = await anArchiveServer();
    const content = new Map(
      [
        { number: 5, name: nameOfSegment(5) },
        { number: 6, name: nameOfSegment(6) },
        { number: 7, name: `${nameOfSegment(7)}.partial` },
      ].map(({ number, name }) => [name, aSegment(number)]),
    );
    await home.write(Object.fromEntries([...content].map(([name, bytes]) => [`streaming/${name}`, bytes])));
    const archive = async (): Promise<void> => {
      const channel = {
        server: home.server,
        channel: 'streaming',
        batchSize: 0,
        workers: 2,
        patienceMs: 10_000,
      } as const;
      await archiveArrivals({ ...channel, onOutcome: () => undefined, onStart: () => undefined }, aContext());
    };
    const restart = segmentOf('2:6');
    const dies = async (): Promise<void> => {
      if (when === 'after') await archive();
      throw new Error('killed');
    };
    const options = { restart, segmentSize, isHistoryLeft: true };
    await expect(realignStreamingFolder(home.layout, { ...options, archive: dies })).rejects.toThrow('killed');
    await archive(); // archive-wal comes by first
    const again = await realignStreamingFolder(home.layout, { ...options, archive });
    expect(again).toEqual({ kind: 'nothing-to-do' });
    await archive();
    expect(await home.names('streaming')).toEqual([`${walOf('2:6')}.partial`]);
    for (const [name, bytes] of content) {
      expect((await home.read(`wals/${name.slice(0, 16)}/${name}`)).equals(bytes)).toBe(true);
    }
    expect((await home.entries()).map(({ name }) => name)).toEqual([...content.keys()]);
    expect(existsSync(home.layout.errors)).toBe(false);
  },
);

/** A stand-in for `pg_receivewal` of PostgreSQL 15 that does `work`. */
async function withReceiver(work: string, lines = ''): Promise<ArchiveServer> {
  const home = await anArchiveServer(`path_prefix = FOLDER/bin\n${lines}`);
  const path = join(home.folder, 'bin', 'pg_receivewal');
  await mkdir(join(home.folder, 'bin'));
  await writeFile(path, `#!/bin/sh\n[ "$1" = --version ] && echo 'pg_receivewal (PostgreSQL) 15.18' && exit 0\n${work}\n`);
  await chmod(path, 0o755);
  return home;
}

const optionsFor = async ({ server }: ArchiveServer) => ({
  server,
  connection: await clientConnection(parseConninfo('host=pg user=streamer password=geheim'), 'barman_receive_wal'),
  serverVersion: 150_018,
  segmentSize,
  isSynchronous: false,
});

test('a receiver that ends by itself is a failure, and what it said is told', async () => {
  await using home = await withReceiver('echo "$*"; echo "could not connect" >&2; exit 4', 'slot_name = barman');
  const context = aContext();
  await expect(runPgReceivewal(await optionsFor(home), context)).rejects.toMatchObject({
    code: 'receiver-failed',
    message: 'ArchiverFailure:pg_receivewal terminated with error: exit code 4',
    hint: 'could not connect',
  });
  expect(context.told.toSorted()).toEqual([
    `INFO: main: --dbname=keepalives_idle=30 keepalives_interval=10 keepalives_count=3 host=pg user=streamer dbname=replication application_name=barman_receive_wal options=-csearch_path= --verbose --no-loop --no-password --directory=${home.layout.streaming} --slot=barman`,
    'INFO: main: could not connect',
  ]);
});

test('the password travels in the environment', async () => {
  await using home = await withReceiver('echo "password $PGPASSWORD"; exit 1');
  const context = aContext();
  await expect(runPgReceivewal(await optionsFor(home), context)).rejects.toThrow();
  expect(context.told).toEqual(['INFO: main: password geheim']);
});

test('told to stop, it lets the receiver end in its own way', async () => {
  await using home = await withReceiver('trap "echo synced > $0.log; exit 0" INT; echo ready; while :; do sleep 0.05; done');
  const abort = new AbortController();
  const context = aContext({ signal: abort.signal });
  const messages = { ...context.messages, info: () => abort.abort() };
  await runPgReceivewal(await optionsFor(home), { ...context, messages });
  expect(await readFile(join(home.folder, 'bin', 'pg_receivewal.log'), 'utf8')).toBe('synced\n');
});

test.each([
  { title: 'a torn partial segment is emptied', size: 1000, left: 0 },
  { title: 'a whole one stays', size: segmentSize, left: segmentSize },
  { title: 'an empty one stays', size: 0, left: 0 },
])('$title before the receiver starts', async ({ size, left }) => {
  await using home = await withReceiver('exit 1');
  await home.write({
    [`streaming/${walOf('1:2.partial')}`]: 'old',
    [`streaming/${walOf('1:3.partial')}`]: Buffer.alloc(size, 'x'),
  });
  await expect(runPgReceivewal(await optionsFor(home), aContext())).rejects.toThrow();
  expect((await home.read(`streaming/${walOf('1:3.partial')}`)).length).toBe(left);
  if (left < size) expect((await home.read(`streaming/.aside/${walOf('1:3.partial')}`)).length).toBe(size);
  expect((await home.read(`streaming/${walOf('1:2.partial')}`)).length).toBe(3);
});

test('WAL of another cluster in the folder of the receiver is kept aside before it starts', async () => {
  await using home = await withReceiver('exit 1');
  const other = aSegment(3, { systemid: systemid + 1n });
  await home.write({ [`streaming/${walOf('1:2')}`]: aSegment(2), [`streaming/${walOf('1:3.partial')}`]: other });
  await expect(runPgReceivewal({ ...(await optionsFor(home)), systemid: String(systemid) }, aContext())).rejects.toThrow();
  expect(await home.names('streaming')).toEqual([walOf('1:2')]);
  const [kept = ''] = await home.names('errors');
  expect(kept).toMatch(/\.foreign$/);
  expect((await home.read(`errors/${kept}`)).equals(other)).toBe(true);
});
