import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { judgeDestination } from '../../../../src/restore/guards/judge-destination.ts';
import { type DestinationPlan, planDestination } from '../../../../src/restore/plan/plan-destination.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { aBackup } from '../restore-builders.ts';
import { aRestoreHost } from '../restore-context.ts';

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await createTemporaryFolder('destination');
  await mkdir(join(folder.path, 'home/main/base'), { recursive: true });
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

function layout(): ServerLayout {
  const root = join(folder.path, 'home/main');
  const below = Object.fromEntries(
    ['base', 'wals', 'xlogdb', 'incoming', 'streaming', 'errors', 'locks'].map((name) => [name, join(root, name)]),
  );
  return { serverName: 'main', root, ...below } as ServerLayout; // every folder is named above
}

async function judge(plan: DestinationPlan): Promise<void> {
  const backup = { version: 150_018, systemid: '7', pgdata: null };
  await judgeDestination({ plan, restoreHost: aRestoreHost(), layout: layout(), backup, isDelta: false });
}

interface Wish {
  readonly destination?: string;
  readonly tablespaces?: Record<string, string>;
  readonly stagingWalDirectory?: string;
  readonly isPitr?: boolean;
  readonly fetchesWal?: boolean;
  readonly version?: number;
}

const twoTablespaces = [
  { name: 'fast', oid: 16400, location: '/srv/fast' },
  { name: 'slow', oid: 16401, location: '/srv/slow' },
];

function planFor({
  destination = 'restored',
  tablespaces = {},
  isPitr = false,
  fetchesWal = false,
  stagingWalDirectory,
  version,
}: Wish) {
  const backup = aBackup({ tablespaces: twoTablespaces, ...(version === undefined ? {} : { version }) });
  const request = { destination: join(folder.path, destination), tablespaces, fetchesWal, stagingWalDirectory };
  return planDestination(layout(), { request, backup, isPitr });
}

test.each<{ fact: string; wish: Wish; wal: unknown }>([
  { fact: "into the server's own folder", wish: {}, wal: { kind: 'in-place', folder: 'restored/pg_wal' } },
  {
    fact: 'which has another name before PostgreSQL 10',
    wish: { version: 90_624 },
    wal: { kind: 'in-place', folder: 'restored/pg_xlog' },
  },
  {
    fact: 'into a staging folder for a recovery to a target',
    wish: { isPitr: true },
    wal: { kind: 'staged', folder: 'restored/barman_wal' },
  },
  { fact: 'nowhere with get-wal', wish: { isPitr: true, fetchesWal: true }, wal: { kind: 'fetched' } },
])('WAL goes $fact', ({ wish, wal }) => {
  const walFolder = planFor(wish).wal;
  expect(
    walFolder.kind === 'fetched' ? walFolder : { ...walFolder, folder: walFolder.folder.slice(folder.path.length + 1) },
  ).toEqual(wal);
});

test('the names that there are tell where the name of a rule ends', () => {
  const backup = aBackup({
    tablespaces: [
      { oid: 1, name: 'we', location: '/srv/we' },
      { oid: 2, name: 'we:ird', location: '/srv/weird' },
      { oid: 3, name: 'we:/ird', location: '/srv/weirder' },
    ],
  });
  const tablespaces = { we: '/a', 'we:ird': '/b', 'we:/ird': '/c:/d' };
  const wish = { destination: '/r', tablespaces, fetchesWal: false, stagingWalDirectory: undefined };
  const plan = planDestination(layout(), { request: wish, backup, isPitr: false });
  expect(plan.tablespaces.map(({ location }) => location)).toEqual(['/a', '/b', '/c:/d']);
  const split = planDestination(layout(), { request: { ...wish, tablespaces: { we: '/ird:/x' } }, backup, isPitr: false });
  expect(split.tablespaces.map(({ location }) => location)).toEqual(['/srv/we', '/srv/weird', '/x']);
});

test('tablespaces go where they were, or where they are sent', () => {
  const { tablespaces } = planFor({ tablespaces: { slow: '/srv/other' } });
  expect(tablespaces.map(({ name, location }) => `${name} ${location}`)).toEqual(['fast /srv/fast', 'slow /srv/other']);
});

test.each<{ why: string; wish: Wish; message: string }>([
  { why: 'a colon', wish: { destination: 'a:b' }, message: "cannot contain the ':' character" },
  { why: 'a tablespace nobody knows', wish: { tablespaces: { big: '/x' } }, message: "invalid tablespace name 'big'" },
  {
    why: 'a tablespace called __proto__',
    wish: { tablespaces: JSON.parse('{"__proto__": "/x"}') as Record<string, string> },
    message: '__proto__',
  },
  { why: 'a relative location', wish: { tablespaces: { fast: 'x' } }, message: 'is not an absolute path' },
  { why: 'a shared location', wish: { tablespaces: { fast: '/srv/slow/x' } }, message: 'would share the folder' },
])('$why is refused', ({ wish, message }) => {
  expect(() => planFor(wish)).toThrow(message);
});

test.each<{ why: string; make: (path: string) => Promise<unknown>; wish?: Wish; message: string | undefined }>([
  { why: 'a missing folder', make: () => Promise.resolve(), message: undefined },
  { why: 'an empty folder', make: (path) => mkdir(path), message: undefined },
  {
    why: 'a folder with a hidden file',
    make: (path) => mkdir(path).then(() => writeFile(join(path, '.x'), '')),
    message: 'is not empty: it has .x',
  },
  { why: 'a file', make: (path) => writeFile(path, ''), message: 'is not a folder' },
  {
    why: 'a link into the catalog',
    make: (path) => symlink(join(folder.path, 'home/main/base'), path),
    message: "lies in the catalog of server 'main'",
  },
  {
    why: 'the catalog itself',
    make: () => Promise.resolve(),
    wish: { destination: 'home/main' },
    message: 'lies in the catalog',
  },
  {
    why: 'a new folder in the catalog',
    make: () => Promise.resolve(),
    wish: { destination: 'home/main/base/a/b' },
    message: 'lies in the catalog',
  },
  {
    why: 'a tablespace in the catalog',
    make: () => Promise.resolve(),
    wish: { tablespaces: { fast: '/../HOME/main/wals/x' } },
    message: 'the location of tablespace fast',
  },
])('as destination $why: $message', async ({ make, wish = {}, message }) => {
  await make(join(folder.path, 'restored'));
  const tablespaces = { fast: join(folder.path, 'fast'), slow: join(folder.path, 'slow'), ...wish.tablespaces };
  const inFolder = Object.entries(tablespaces).map(([name, location]) => [
    name,
    location.replace('/../HOME', join(folder.path, 'home')),
  ]);
  const plan = planFor({ ...wish, tablespaces: Object.fromEntries(inFolder) as Record<string, string> });
  const usable = judge(plan);
  if (message === undefined) await expect(usable).resolves.toBeUndefined();
  else
    await expect(usable).rejects.toMatchObject({
      code: 'destination-unusable',
      message: expect.stringContaining(message) as string,
    });
});

test.each(['', 'restored/..', 'restored'])(
  'recovery would remove what lies in a staging folder, so %j is refused',
  async (below) => {
    const tablespaces = { fast: join(folder.path, 'restored/fast'), slow: join(folder.path, 'restored/slow') };
    const plan = planFor({ isPitr: true, tablespaces, stagingWalDirectory: join(folder.path, below) });
    await expect(judge(plan)).rejects.toMatchObject({ code: 'destination-unusable' });
  },
);

test('links that somebody has prepared are nothing that a restore has left', async () => {
  const destination = join(folder.path, 'restored');
  await mkdir(destination, { recursive: true });
  for (const name of ['pg_wal', 'log']) await symlink(join(folder.path, name), join(destination, name));
  await expect(judge(planFor({}))).rejects.toMatchObject({
    hint: expect.stringContaining('choose an empty or new folder') as string,
  });
});

test('the folders of an unfinished restore are named', async () => {
  await mkdir(join(folder.path, 'restored/base'), { recursive: true });
  await expect(judge(planFor({}))).rejects.toMatchObject({
    hint: `an earlier restore to it did not finish: remove its files in ${join(folder.path, 'restored')}, and try again`,
  });
});
