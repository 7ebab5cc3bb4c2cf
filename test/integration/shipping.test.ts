import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle, requireOracle } from '../helpers/installations.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const segmentSize = 1 << 20;
const systemid = 7711427401135239737n;

/** A WAL segment as far as anybody looks: its first page's header, then bytes that do not compress. */
function aSegment(number: number, timeline = 1): Buffer {
  const bytes = randomBytes(segmentSize);
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(timeline, 4);
  bytes.writeBigUInt64LE(BigInt(number) * BigInt(segmentSize), 8);
  bytes.writeUInt32LE(0, 16);
  bytes.writeBigUInt64LE(systemid, 24);
  bytes.writeUInt32LE(segmentSize, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

function nameOf(number: number, timeline = 1): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return `${hex(timeline)}${hex(0)}${hex(number)}`;
}

interface Site extends AsyncDisposable {
  readonly home: TestHome;
  /** Runs a helper in the data folder, as PostgreSQL does. */
  run(argv: readonly string[]): Promise<ProgramResult>;
  readonly data: string;
  stopSsh(): Promise<void>;
}

/** A backup host behind a real sshd, whose `barman` is ours or the real one, and a data folder with WAL in it. */
async function openSite(remote: 'ours' | 'real Barman', compression = ''): Promise<Site> {
  const home = await createTestHome({
    servers: {
      main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres', compression },
    },
  });
  const barman = remote === 'ours' ? await programPath(home, 'barman') : requireOracle().program;
  const sshd = await startSshd({ programs: { barman }, env: { BARMAN_CONFIG_FILE: home.configFile } });
  const data = await home.makeFolder('data');
  await home.makeFolder('data/pg_wal/archive_status');
  await home.makeFolder('data/global');
  const control = Buffer.alloc(8);
  control.writeBigUInt64LE(systemid);
  await writeFile(join(data, 'global', 'pg_control'), control);
  await writeFile(join(data, 'postmaster.pid'), '1\n');
  const programs = await home.makeFolder('ssh');
  const options = `-i ${sshd.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${sshd.knownHostsFile} -o BatchMode=yes`;
  await writeFile(join(programs, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F none ${options} "$@"\n`, { mode: 0o755 });
  let isOpen = true;
  const stopSsh = async (): Promise<void> => {
    if (isOpen) await sshd[Symbol.asyncDispose]();
    isOpen = false;
  };
  return {
    home,
    data,
    stopSsh,
    run: ([program = '', ...words]) =>
      runProgram([program, '-U', sshd.user, '--port', String(sshd.port), ...words], {
        env: home.env({ path: [programs] }),
        cwd: data,
      }),
    [Symbol.asyncDispose]: async () => {
      await stopSsh();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function helper(site: Site, name: 'wal-archive' | 'wal-restore', whose: 'ours' | 'real Barman'): Promise<string> {
  if (whose === 'ours') return await programPath(site.home, `pgcellar-${name}`);
  return join(dirname(requireOracle().program), `barman-${name}`);
}

async function archivedInto(site: Site): Promise<string[]> {
  const { exitCode, stderr } = await runPgcellar(['archive-wal', 'main'], { home: site.home });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return (await readFile(site.home.server('main', 'wals', 'main-xlog.db'), 'utf8')).split('\n').filter((line) => line !== '');
}

type Pairing = { readonly local: 'ours' | 'real Barman'; readonly remote: 'ours' | 'real Barman' };
const pairings: readonly Pairing[] = [
  { local: 'ours', remote: 'ours' },
  { local: 'ours', remote: 'real Barman' },
  { local: 'real Barman', remote: 'ours' },
];

describeWithOracle('WAL goes to the backup host and comes back', () => {
  test.each(pairings)('with the helpers of $local and the server of $remote', async ({ local, remote }) => {
    await using site = await openSite(remote);
    const [archive, restore] = [await helper(site, 'wal-archive', local), await helper(site, 'wal-restore', local)];
    const segment = aSegment(1);
    const history = Buffer.from('1\t0/100000\tno recovery target specified\n');
    await writeFile(join(site.data, 'pg_wal', nameOf(1)), segment);
    await writeFile(join(site.data, 'pg_wal', '00000002.history'), history);
    const accepted = await site.run([archive, '-t', '127.0.0.1', 'main', 'x']);
    expect(accepted.stdout.trim()).toBe('Ready to accept WAL files for the server main');
    for (const name of [nameOf(1), '00000002.history']) {
      const { exitCode, stderr } = await site.run([archive, '127.0.0.1', 'main', join('pg_wal', name)]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    }
    expect(await readdir(site.home.server('main', 'incoming'))).toEqual([nameOf(1), '00000002.history'].toSorted());
    await archivedInto(site);
    const ready = await site.run([restore, '-t', '127.0.0.1', 'main', 'x', 'y']);
    expect(ready.stdout.trim()).toBe('Ready to retrieve WAL files from the server main');
    for (const [name, content] of [
      [nameOf(1), segment],
      ['00000002.history', history],
    ] as const) {
      const { exitCode } = await site.run([restore, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG']);
      expect(exitCode).toBe(0);
      expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
    }
    expect((await site.run([restore, '127.0.0.1', 'main', nameOf(2), 'pg_wal/RECOVERYXLOG'])).exitCode).toBe(1);
  });

  test.each(['-z', '-j', '--xz', '--zstd', '--lz4'])(
    'compressed before it is sent with %s, it is stored so and comes back plain',
    async (flag) => {
      await using site = await openSite('ours');
      await writeFile(join(site.data, 'pg_wal', nameOf(1)), aSegment(1));
      const archive = await helper(site, 'wal-archive', 'ours');
      expect((await site.run([archive, flag, '--md5', '127.0.0.1', 'main', `pg_wal/${nameOf(1)}`])).exitCode).toBe(0);
      const [line = ''] = await archivedInto(site);
      expect(line.split('\t')[3]).toBe({ '-z': 'gzip', '-j': 'bzip2', '--xz': 'xz', '--zstd': 'zstd', '--lz4': 'lz4' }[flag]);
      for (const form of [[], ['--keep-compression']]) {
        const restore = await helper(site, 'wal-restore', 'ours');
        expect((await site.run([restore, ...form, '127.0.0.1', 'main', nameOf(1), 'pg_wal/RECOVERYXLOG'])).exitCode).toBe(0);
        const restored = await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'));
        expect(restored.equals(await readFile(join(site.data, 'pg_wal', nameOf(1))))).toBe(true);
      }
    },
  );
});

describe('archive_command', () => {
  let site: Site;
  beforeAll(async () => {
    site = await openSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('sends following segments that are ready too, and then acknowledges exactly those without sending them again', async () => {
    const archive = await helper(site, 'wal-archive', 'ours');
    for (let number = 1; number <= 5; number++) {
      await writeFile(join(site.data, 'pg_wal', nameOf(number)), aSegment(number));
      await writeFile(join(site.data, 'pg_wal', 'archive_status', `${nameOf(number)}.ready`), '');
    }
    const cache = join(site.home.folder, 'cache');
    const send = (number: number) =>
      site.run([archive, '-p', '4', '--prefetch-cache-dir', cache, '127.0.0.1', 'main', `pg_wal/${nameOf(number)}`]);
    expect((await send(1)).exitCode).toBe(0);
    const incoming = site.home.server('main', 'incoming');
    expect(await readdir(incoming)).toEqual([1, 2, 3, 4].map((number) => nameOf(number)));
    expect(await readFile(join(cache, 'wal-last-archived'), 'utf8')).toBe(nameOf(4));
    await archivedInto(site);
    expect((await send(2)).exitCode).toBe(0);
    expect(await readdir(incoming)).toEqual([]);
    await writeFile(join(site.data, 'pg_wal', nameOf(3)), aSegment(3)); // another file under a name that was sent ahead
    expect((await send(3)).exitCode).toBe(0);
    expect(await readdir(incoming)).toContain(nameOf(3));
  });

  test.each([
    { title: 'a path that is a folder', words: ['127.0.0.1', 'main', 'pg_wal'], exitCode: 2 },
    { title: 'a file that is not there', words: ['127.0.0.1', 'main', 'pg_wal/none'], exitCode: 2 },
    {
      title: 'a server that the backup host does not know',
      words: ['127.0.0.1', 'nobody', `pg_wal/${nameOf(1)}`],
      exitCode: 1,
    },
    { title: 'a host without sshd', words: ['--port', '1', '127.0.0.1', 'main', `pg_wal/${nameOf(1)}`], exitCode: 3 },
    { title: 'missing arguments', words: ['127.0.0.1'], exitCode: 2 },
  ])('fails with $exitCode for $title', async ({ words, exitCode }) => {
    const result = await site.run([await helper(site, 'wal-archive', 'ours'), ...words]);
    expect({ exitCode: result.exitCode, lines: result.stderr.trim().split('\n').length < 4 }).toEqual({
      exitCode,
      lines: true,
    });
    expect(result.stderr).not.toContain('    at ');
  });
});

describe('restore_command', () => {
  test('has segments fetched ahead, which are moved into place and are the very bytes', async () => {
    await using site = await openSite('ours', 'zstd');
    const restore = await helper(site, 'wal-restore', 'ours');
    const segments = new Map(Array.from({ length: 12 }, (_, index) => [nameOf(index + 1), aSegment(index + 1)]));
    const incoming = await site.home.makeFolder('home/main/incoming');
    for (const [name, content] of segments) await writeFile(join(incoming, name), content);
    await archivedInto(site);
    const spool = await site.home.makeFolder('spool');
    const fetch = (name: string) =>
      site.run([restore, '-p', '4', '--spool-dir', spool, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG']);
    for (const [name, content] of segments) {
      expect((await fetch(name)).exitCode).toBe(0);
      expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
    }
    expect((await fetch(nameOf(13))).exitCode).toBe(1);
  });

  test('takes what waits in the spool without the backup host, and never more than was asked for waits there', async () => {
    await using site = await openSite('ours');
    const restore = await helper(site, 'wal-restore', 'ours');
    const incoming = await site.home.makeFolder('home/main/incoming');
    for (let number = 1; number <= 9; number++) await writeFile(join(incoming, nameOf(number)), aSegment(number));
    await archivedInto(site);
    const spool = await site.home.makeFolder('spool');
    const fetch = (number: number) =>
      site.run([
        restore,
        '--retry-time',
        '0',
        '-p',
        '3',
        '--spool-dir',
        spool,
        '127.0.0.1',
        'main',
        nameOf(number),
        'pg_wal/RECOVERYXLOG',
      ]);
    expect((await fetch(1)).exitCode).toBe(0);
    const waiting = async (): Promise<string[]> => {
      const [folder = ''] = await readdir(spool);
      const ready = join(spool, folder, 'ready');
      return existsSync(ready) ? await readdir(ready) : [];
    };
    await waitFor('three segments wait', async () => (await waiting()).length === 3);
    await site.stopSsh();
    for (const number of [2, 3, 4]) {
      expect((await fetch(number)).exitCode).toBe(0);
      expect(
        (await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(
          await readFile(join(site.home.server('main', 'wals', '0000000100000000'), nameOf(number))),
        ),
      ).toBe(true);
    }
  });

  test('does not let a segment of another cluster, of another place or of a wrong length into the spool', async () => {
    await using site = await openSite('ours');
    const restore = await helper(site, 'wal-restore', 'ours');
    const incoming = await site.home.makeFolder('home/main/incoming');
    await writeFile(join(incoming, nameOf(1)), aSegment(1));
    const foreign = aSegment(2);
    foreign.writeBigUInt64LE(1n, 24);
    await writeFile(join(incoming, nameOf(2)), foreign);
    await archivedInto(site);
    const spool = await site.home.makeFolder('spool');
    const words = ['-p', '3', '--spool-dir', spool, '127.0.0.1', 'main'];
    expect((await site.run([restore, ...words, nameOf(1), 'pg_wal/RECOVERYXLOG'])).exitCode).toBe(0);
    await waitFor('the fetching ahead has ended', async () => (await site.home.processes()).length === 0);
    const [folder = ''] = await readdir(spool);
    expect(await readdir(join(spool, folder, 'ready'))).toEqual([]);
  });

  test('leaves the destination alone when it fails, and tells a missing file from a broken connection', async () => {
    await using site = await openSite('ours');
    const restore = await helper(site, 'wal-restore', 'ours');
    await writeFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'), 'as it was');
    const words = ['--retry-time', '0', '127.0.0.1', 'main', nameOf(1), 'pg_wal/RECOVERYXLOG'];
    expect((await site.run([restore, ...words])).exitCode).toBe(1);
    await site.stopSsh();
    expect((await site.run([restore, ...words])).exitCode).toBe(2);
    expect((await site.run([restore, '--strict', ...words])).exitCode).toBeGreaterThan(125);
    expect(await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'), 'utf8')).toBe('as it was');
    expect((await site.run([restore, '127.0.0.1', 'main', nameOf(1), 'pg_wal'])).exitCode).toBe(3);
    expect((await site.run([restore, '-z', '-j', '127.0.0.1', 'main', nameOf(1), 'x'])).exitCode).toBe(2);
  });
});
