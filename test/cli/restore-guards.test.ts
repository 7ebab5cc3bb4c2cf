// Every guard rail of a restore: something that must not be harmed stands in its way. A dry run and a run refuse it with the same words and touch nothing;
// when the reason is gone, both go ahead.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { recordPath, writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const { weekly, firstTwin, secondTwin, failed } = writtenBackups;
const mounts = await canMount();

let home: TestHome;
let opened: Opened;
const place = (...below: string[]) => join(home.folder, ...below);

beforeEach(async () => {
  opened = new Opened();
  home = await opened.add(
    createTestHome({
      servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
    }),
  );
  await writeCatalog(home, 'main');
  await mkdir(place('precious'));
});
afterEach(async () => {
  await opened.close();
});

/** What stands against a restore. */
interface Obstacle {
  readonly words: readonly string[];
  /** Takes the reason away. */
  readonly lift: () => Promise<unknown>;
  /** Words of the restore when they are not the same without the reason. */
  readonly then?: readonly string[];
}

interface Guard {
  readonly title: string;
  readonly says: RegExp;
  readonly set: () => Promise<Obstacle>;
  /** An operator may take it upon himself. */
  readonly allow?: string;
  readonly needsMount?: boolean;
}

const toPrecious = () => ['main', secondTwin, place('precious')];
const moved = () => ['--tablespace', `fast:${place('fast')}`, 'main', weekly];

/** An older copy of the cluster that is backed up, as a delta restore takes it. */
async function aCopy({ version = '15', systemid = 7_000_000_000_000_000_001n } = {}): Promise<string[]> {
  const control = Buffer.alloc(64);
  control.writeBigUInt64LE(systemid);
  await mkdir(place('precious/global'), { recursive: true });
  await mkdir(place('precious/pg_tblspc'));
  await writeFile(place('precious/PG_VERSION'), `${version}\n`);
  await writeFile(place('precious/global/pg_control'), control);
  await writeFile(place('precious/rows'), 'rows that are nowhere else');
  return ['--delta-restore', ...toPrecious()];
}

async function postmasterPid(lines: { pid?: number; port?: number; socketFolder?: string; address?: string }): Promise<void> {
  const { pid = 4_000_000, port = 5432, socketFolder = '', address = '' } = lines;
  const text = [pid, place('precious'), 1_700_000_000, port, socketFolder, address, '', 'ready'].map(String).join('\n');
  await writeFile(place('precious/postmaster.pid'), `${text}\n`);
}

async function atEnd(work: () => void): Promise<void> {
  await opened.add(
    Promise.resolve({
      [Symbol.asyncDispose]: async () => {
        work();
        await Promise.resolve();
      },
    }),
  );
}

async function listening(where: { path: string } | { port: number; host: string }): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(where);
  await once(server, 'listening');
  await atEnd(() => void server.close());
  return server;
}

const guards: readonly Guard[] = [
  {
    title: 'files at the destination',
    says: /the destination \S+ is not empty: it has thesis\.txt/,
    set: async () => {
      await writeFile(place('precious/thesis.txt'), 'the only copy');
      return { words: toPrecious(), lift: () => rm(place('precious/thesis.txt')) };
    },
  },
  {
    title: 'a hidden file at the destination',
    says: /the destination \S+ is not empty: it has \.pgpass/,
    set: async () => {
      await writeFile(place('precious/.pgpass'), '*:*:*:*:secret');
      return { words: toPrecious(), lift: () => rm(place('precious/.pgpass')) };
    },
  },
  {
    title: 'a cluster at the destination',
    says: /holds the files of a cluster/,
    set: async () => {
      await aCopy();
      return { words: toPrecious(), lift: async () => await rm(place('precious'), { recursive: true }) };
    },
  },
  {
    title: 'a file in the place of the destination',
    says: /is not a folder/,
    set: async () => {
      await rm(place('precious'), { recursive: true });
      await writeFile(place('precious'), 'a file');
      return { words: toPrecious(), lift: () => rm(place('precious')) };
    },
  },
  {
    title: 'a live server on the destination',
    says: /a PostgreSQL server runs on the destination \S+: process \d+, port 5432/,
    set: async () => {
      const words = await aCopy();
      const child = spawn('sleep', ['600'], { cwd: place('precious') });
      await atEnd(() => void child.kill());
      await postmasterPid({ pid: child.pid ?? 0 });
      return {
        words,
        lift: async () => {
          child.kill();
          await once(child, 'exit');
        },
      };
    },
  },
  {
    title: 'a server in another container, known by its socket',
    says: /takes connections on port 5433/,
    set: async () => {
      const words = await aCopy();
      const server = await listening({ path: place('.s.PGSQL.5433') });
      await postmasterPid({ port: 5433, socketFolder: home.folder });
      return { words, lift: async () => await new Promise((resolve) => server.close(resolve)) };
    },
  },
  {
    title: 'a server in another container, known by its TCP port',
    says: /takes connections on port \d+/,
    set: async () => {
      const words = await aCopy();
      const server = await listening({ port: 0, host: '127.0.0.1' });
      const { port } = server.address() as { port: number }; // it listens on a port
      await postmasterPid({ port, address: '*' });
      return { words, lift: async () => await new Promise((resolve) => server.close(resolve)) };
    },
  },
  {
    title: 'another cluster under a delta restore',
    says: /holds another cluster/,
    allow: 'other-cluster',
    set: async () => {
      const words = await aCopy({ systemid: 1n });
      const control = Buffer.alloc(64);
      control.writeBigUInt64LE(7_000_000_000_000_000_001n);
      return { words, lift: () => writeFile(place('precious/global/pg_control'), control) };
    },
  },
  {
    title: 'another major version under a delta restore',
    says: /holds a cluster of PostgreSQL 16, the backup is of PostgreSQL 15/,
    set: async () => {
      const words = await aCopy({ version: '16' });
      return { words, lift: () => writeFile(place('precious/PG_VERSION'), '15\n') };
    },
  },
  {
    title: 'files that are no cluster under a delta restore',
    says: /is not empty and holds no cluster/,
    set: async () => {
      await writeFile(place('precious/thesis.txt'), 'the only copy');
      return { words: ['--delta-restore', ...toPrecious()], lift: () => rm(place('precious/thesis.txt')) };
    },
  },
  {
    title: 'a tablespace of another cluster',
    says: /the location of tablespace fast \S+ is not empty: holds the files of a cluster/,
    set: async () => {
      await mkdir(place('precious/PG_15_202209061/5'), { recursive: true });
      await writeFile(place('precious/PG_15_202209061/5/16384'), 'rows');
      const words = ['--tablespace', `fast:${place('precious')}`, 'main', weekly, place('new')];
      return { words, lift: () => rm(place('precious/PG_15_202209061'), { recursive: true }) };
    },
  },
  {
    title: 'a tablespace of another cluster under a delta restore',
    says: /is not used by the destination \S+ and is not empty/,
    set: async () => {
      const [delta = ''] = await aCopy();
      await mkdir(place('foreign'));
      await writeFile(place('foreign/rows'), 'rows');
      const words = [delta, '--tablespace', `fast:${place('foreign')}`, 'main', weekly, place('precious')];
      return { words, lift: () => rm(place('foreign/rows')) };
    },
  },
  {
    title: 'the tablespace of the very server that was backed up',
    says: /is the tablespace of the server that was backed up/,
    set: async () => {
      await mkdir(place('source/pg_tblspc'), { recursive: true });
      await symlink(place('precious'), place('source/pg_tblspc/16400'));
      const record = recordPath(home, 'main', weekly);
      await writeFile(record, (await readFile(record, 'utf8')).replace('/srv/pg/data', place('source')));
      const words = ['--tablespace', `fast:${place('precious')}`, 'main', weekly, place('new')];
      return { words, lift: () => rm(place('source'), { recursive: true }) };
    },
  },
  {
    title: 'a destination in the catalog',
    says: /lies in the catalog of server 'main'/,
    set: async () => {
      return await Promise.resolve({
        words: ['main', secondTwin, home.server('main', 'base', 'new')],
        lift: nothing,
        then: toPrecious(),
      });
    },
  },
  {
    title: 'a WAL staging folder that holds the destination, and is removed when recovery ends',
    says: /lies in the WAL staging folder/,
    set: async () => {
      const target = ['--target-immediate'];
      const words = [...target, '--staging-wal-directory', home.folder, ...toPrecious()];
      return await Promise.resolve({ words, lift: nothing, then: [...target, ...toPrecious()] });
    },
  },
  {
    title: 'a file system that cannot be written to',
    says: /the destination \S+ cannot be written to by this user/,
    needsMount: true,
    set: async () => {
      const small = await opened.add(mountSmallFileSystem({ sizeMib: 100 }));
      const remount = async (how: string) => await runProgram(['mount', '-o', `remount,${how}`, small.path]);
      await remount('ro');
      return { words: ['main', secondTwin, join(small.path, 'new')], lift: () => remount('rw') };
    },
  },
  {
    title: 'too little space',
    says: /there is too little space at \S+: \d+ bytes are needed and \d+ are free/,
    needsMount: true,
    set: async () => {
      const small = await opened.add(mountSmallFileSystem({ sizeMib: 60 }));
      await writeFile(join(small.path, 'ballast'), Buffer.alloc(30 * 2 ** 20));
      return { words: ['main', secondTwin, join(small.path, 'new')], lift: () => rm(join(small.path, 'ballast')) };
    },
  },
  {
    title: 'too little space for what a delta restore grows by',
    says: /there is too little space at \S+: 8\d{6} bytes are needed/,
    needsMount: true,
    set: async () => {
      const small = await opened.add(mountSmallFileSystem({ sizeMib: 20 }));
      await aCopy();
      await rename(place('precious'), place('moved')).catch(() => undefined);
      await runProgram(['cp', '-a', `${place('moved')}/.`, small.path]);
      await mkdir(place('precious'));
      // 8 MiB are there already, the backup has 16
      const relation = home.server('main', 'base', secondTwin, 'data', 'relation');
      await writeFile(relation, '');
      await truncate(relation, 16 * 2 ** 20);
      await writeFile(join(small.path, 'relation'), Buffer.alloc(8 * 2 ** 20));
      await writeFile(join(small.path, 'unrelated'), Buffer.alloc(8 * 2 ** 20));
      const words = ['--delta-restore', '--get-wal', 'main', secondTwin, small.path];
      return { words, lift: () => rm(join(small.path, 'unrelated')) };
    },
  },
  {
    title: 'a target before the end of the backup',
    says: /before the end of backup/,
    set: async () => {
      const target = (lsn: string) => ['--target-lsn', lsn, ...toPrecious()];
      return await Promise.resolve({ words: target('0/2000100'), lift: nothing, then: target('0/7000100') });
    },
  },
  {
    title: 'a target in the future',
    says: /lies in the future/,
    set: async () => {
      const target = (time: string) => ['--target-time', time, ...toPrecious()];
      const then = target('2024-03-03 10:00:00+00');
      return await Promise.resolve({ words: target('2124-01-01 00:00:00+00'), lift: nothing, then });
    },
  },
  {
    title: 'a backup that failed',
    says: /FAILED/,
    set: async () => {
      return await Promise.resolve({ words: ['main', failed, place('precious')], lift: nothing, then: toPrecious() });
    },
  },
  {
    title: 'a backup that is being deleted',
    says: /is being deleted/,
    set: async () => {
      const mark = home.server('main', 'meta', `${secondTwin}-delete_this`);
      await writeFile(mark, '');
      return { words: toPrecious(), lift: () => rm(mark) };
    },
  },
  {
    title: 'a backup that has lost its files',
    says: /is not complete: \S+ is missing/,
    set: async () => {
      const control = home.server('main', 'base', secondTwin, 'data', 'global');
      await rename(control, place('kept'));
      return { words: toPrecious(), lift: () => rename(place('kept'), control) };
    },
  },
  {
    title: 'WAL that the backup needs and that is missing',
    says: /WAL segment 000000010000000000000004 is missing/,
    allow: 'missing-wal',
    set: async () => {
      const index = home.server('main', 'wals', 'main-xlog.db');
      const text = await readFile(index, 'utf8');
      await writeFile(index, text.replace(/^0{7}10{15}4.*\n/m, ''));
      return { words: ['main', firstTwin, place('precious')], lift: () => writeFile(index, text) };
    },
  },
  {
    title: 'a tablespace that the backup does not have',
    says: /invalid tablespace name 'slow'/,
    set: async () => {
      const then = [...moved(), place('precious')];
      return await Promise.resolve({ words: ['--tablespace', 'slow:/srv/slow', ...then], lift: nothing, then });
    },
  },
  {
    title: 'a backup that has lost a file of its manifest',
    says: /is not complete: base\/1\/rows is missing/,
    allow: 'incomplete-backup',
    set: async () => {
      const manifest = home.server('main', 'base', secondTwin, 'data', 'backup_manifest');
      await writeFile(manifest, '{ "Files": [\n{ "Path": "base/1/rows", "Size": 8192 }\n],\n"Manifest-Checksum": "0"}\n');
      return { words: toPrecious(), lift: () => rm(manifest) };
    },
  },
  {
    title: 'a tablespace that came after the backup and is in use',
    says: /tablespace late was created after the backup, at \S+, which is not empty/,
    allow: 'shared-tablespace',
    set: async () => {
      await mkdir(place('late'));
      await writeFile(place('late/rows'), 'rows');
      const record = recordPath(home, 'main', secondTwin);
      const text = await readFile(record, 'utf8');
      await writeFile(record, text.replace('tablespaces=None', `tablespaces=[('late', 16500, '${place('late')}')]`));
      return { words: ['main', firstTwin, place('precious')], lift: () => rm(place('late/rows')) };
    },
  },
  {
    title: 'settings that would go to another folder',
    says: /--recovery-conf-filename takes the name of a file/,
    set: async () => {
      const named = (name: string) => ['--target-immediate', '--recovery-conf-filename', name, ...toPrecious()];
      return await Promise.resolve({ words: named('../../etc/passwd'), lift: nothing, then: named('mine.conf') });
    },
  },
];

async function nothing(): Promise<void> {
  // other words will do
}

async function restore(words: readonly string[]): Promise<{ exitCode: number | undefined; errors: readonly string[] }> {
  const { exitCode, stdout } = await runPgcellar(['-f', 'json', 'restore', ...words], { home });
  return { exitCode, errors: (JSON.parse(stdout) as { _ERROR?: string[] })._ERROR ?? [] };
}

/** Every path with kind, size and time of its change, but for what any command writes. */
async function snapshot(folders: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const folder of folders) {
    if (!(await stat(folder)).isDirectory()) lines.push(await readFile(folder, 'utf8'));
    else {
      const { stdout } = await runProgram(['find', folder, '-printf', '%P %y %s %T@\n']);
      lines.push(...stdout.split('\n').filter((line) => !/\.lock|barman\.log|\.pgcellar|^home(?:\/main)? d|^ d/.test(line)));
    }
  }
  return lines.toSorted();
}

describe.each(guards)('$title', ({ says, set, allow, needsMount = false }) => {
  test.skipIf(needsMount && !mounts)(
    'refuses a dry run and a run alike, stays untouched, and is no reason any more when it is gone',
    async () => {
      const { words, lift, then = words } = await set();
      const destination = words.at(-1) ?? '';
      const roots = [home.folder, ...(destination.startsWith(home.folder) ? [] : [destination.replace(/\/new$/, '')])];
      const before = await snapshot(roots);
      const dry = await restore(['--dry-run', ...words]);
      expect(dry).toEqual({ exitCode: 1, errors: expect.arrayContaining([expect.stringMatching(says)]) as string[] });
      expect(await restore(words)).toEqual(dry);
      expect(await snapshot(roots)).toEqual(before);
      if (allow !== undefined) {
        const found = await restore(['--dry-run', '--allow', allow, ...words]);
        expect(found).toEqual({ exitCode: 0, errors: [] });
      }
      await lift();
      expect(await restore(['--dry-run', ...then])).toEqual({ exitCode: 0, errors: [] });
      expect(await restore(then)).toEqual({ exitCode: 0, errors: [] });
    },
  );
});

test('all reasons that an operator may lift are among them, or tested where the space is', async () => {
  const { allowances } = await import('../../src/restore/guards/refusals.ts');
  expect([...guards.flatMap(({ allow = [] }) => allow), 'space'].toSorted()).toEqual([...allowances].toSorted());
  expect(await readdir(place('precious'))).toEqual([]);
});
