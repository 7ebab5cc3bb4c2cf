import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { describeWithOlderHelpers, describeWithOracle, requireOlderHelpers } from '../helpers/installations.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { helperOf, makeDataFolder, openShipSite, type ShipSite, type Whose, type WhoseSide } from '../helpers/ship-site.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

async function archivedInto(site: ShipSite): Promise<string[]> {
  const { exitCode, stderr } = await runPgcellar(['archive-wal', 'main'], { home: site.home });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return (await readFile(site.home.server('main', 'wals', 'main-xlog.db'), 'utf8')).split('\n').filter((line) => line !== '');
}

type Pairing = { readonly local: WhoseSide; readonly remote: Whose };
const pairings: readonly Pairing[] = [
  { local: 'ours', remote: 'ours' },
  { local: 'ours', remote: 'real Barman' },
  { local: 'real Barman', remote: 'ours' },
];

/** A segment and a history file go there, are archived, and come back; what is not there is told. */
async function expectThereAndBack({ local, remote }: Pairing): Promise<void> {
  await using site = await openShipSite(remote);
  const [archive, restore] = [await helperOf(site, 'wal-archive', local), await helperOf(site, 'wal-restore', local)];
  const segment = aSegment(1);
  const history = Buffer.from('1\t0/100000\tno recovery target specified\n');
  await writeFile(join(site.data, 'pg_wal', nameOfSegment(1)), segment);
  await writeFile(join(site.data, 'pg_wal', '00000002.history'), history);
  const accepted = await site.run([archive, '-t', '127.0.0.1', 'main', 'x']);
  expect(accepted.stdout.trim()).toBe('Ready to accept WAL files for the server main');
  for (const name of [nameOfSegment(1), '00000002.history']) {
    const { exitCode, stderr } = await site.run([archive, '127.0.0.1', 'main', join('pg_wal', name)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  }
  expect(await readdir(site.home.server('main', 'incoming'))).toEqual([nameOfSegment(1), '00000002.history'].toSorted());
  await archivedInto(site);
  const ready = await site.run([restore, '-t', '127.0.0.1', 'main', 'x', 'y']);
  expect(ready.stdout.trim()).toBe('Ready to retrieve WAL files from the server main');
  for (const [name, content] of [
    [nameOfSegment(1), segment],
    ['00000002.history', history],
  ] as const) {
    const { exitCode } = await site.run([restore, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG']);
    expect(exitCode).toBe(0);
    expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
  }
  expect((await site.run([restore, '127.0.0.1', 'main', nameOfSegment(2), 'pg_wal/RECOVERYXLOG'])).exitCode).toBe(1);
}

describeWithOlderHelpers('WAL of a database host with helpers of Debian 12', () => {
  test('goes to our server, with the MD5 sums of Barman 3.4, and comes back', async () => {
    expect(requireOlderHelpers().version).toMatch(/^3\.4\./);
    await expectThereAndBack({ local: 'older Barman', remote: 'ours' });
  });

  test('goes to the server of Barman 3.4 with our helper and --md5, is refused with an error without it, and comes back', async () => {
    await using site = await openShipSite('older Barman');
    const [archive, restore] = [await helperOf(site, 'wal-archive'), await helperOf(site, 'wal-restore')];
    const [name, content] = [nameOfSegment(1), aSegment(1)];
    await writeFile(join(site.data, 'pg_wal', name), content);
    const config = ['-c', site.home.configFile];
    const refused = await site.run([archive, ...config, '127.0.0.1', 'main', `pg_wal/${name}`]);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain(`Missing checksum for file '${name}'`);
    const incoming = site.home.server('main', 'incoming');
    expect((await namesIn(incoming)).filter((there) => there === name)).toEqual([]);
    expect(await site.run([archive, ...config, '--md5', '127.0.0.1', 'main', `pg_wal/${name}`])).toMatchObject({ exitCode: 0 });
    expect((await readFile(join(incoming, name))).equals(content)).toBe(true);
    for (const words of [[], ['-p', '4', '--spool-dir', await site.home.makeFolder('spool')], ['--strict']]) {
      const fetched = await site.run([restore, ...config, ...words, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG']);
      expect(fetched).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
    }
    const missing = await site.run([
      restore,
      ...config,
      '--strict',
      '127.0.0.1',
      'main',
      nameOfSegment(9),
      'pg_wal/RECOVERYXLOG',
    ]);
    expect(missing.exitCode).toBe(1);
  });
});

describeWithOracle('WAL goes to the backup host and comes back', () => {
  test.each(pairings)('with the helpers of $local and the server of $remote', expectThereAndBack);

  test.each(['-z', '-j', '--xz', '--zstd', '--lz4'])(
    'compressed before it is sent with %s, it is stored so and comes back plain',
    async (flag) => {
      await using site = await openShipSite('ours');
      await writeFile(join(site.data, 'pg_wal', nameOfSegment(1)), aSegment(1));
      const archive = await helperOf(site, 'wal-archive');
      expect((await site.run([archive, flag, '--md5', '127.0.0.1', 'main', `pg_wal/${nameOfSegment(1)}`])).exitCode).toBe(0);
      const [line = ''] = await archivedInto(site);
      expect(line.split('\t')[3]).toBe({ '-z': 'gzip', '-j': 'bzip2', '--xz': 'xz', '--zstd': 'zstd', '--lz4': 'lz4' }[flag]);
      for (const form of [[], ['--keep-compression']]) {
        const restore = await helperOf(site, 'wal-restore');
        expect(
          (await site.run([restore, ...form, '127.0.0.1', 'main', nameOfSegment(1), 'pg_wal/RECOVERYXLOG'])).exitCode,
        ).toBe(0);
        const restored = await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'));
        expect(restored.equals(await readFile(join(site.data, 'pg_wal', nameOfSegment(1))))).toBe(true);
      }
    },
  );
});

describe('archive_command', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openShipSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('sends following segments that are ready too, and then acknowledges exactly those without sending them again', async () => {
    const archive = await helperOf(site, 'wal-archive');
    for (let number = 1; number <= 5; number++) {
      await writeFile(join(site.data, 'pg_wal', nameOfSegment(number)), aSegment(number));
      await writeFile(join(site.data, 'pg_wal', 'archive_status', `${nameOfSegment(number)}.ready`), '');
    }
    const cache = join(site.home.folder, 'cache');
    const send = (number: number) =>
      site.run([archive, '-p', '4', '--prefetch-cache-dir', cache, '127.0.0.1', 'main', `pg_wal/${nameOfSegment(number)}`]);
    expect((await send(1)).exitCode).toBe(0);
    const incoming = site.home.server('main', 'incoming');
    expect(await readdir(incoming)).toEqual([1, 2, 3, 4].map((number) => nameOfSegment(number)));
    expect(await readFile(join(cache, 'wal-last-archived'), 'utf8')).toBe(nameOfSegment(4));
    await archivedInto(site);
    expect((await send(2)).exitCode).toBe(0);
    expect(await readdir(incoming)).toEqual([]);
    await writeFile(join(site.data, 'pg_wal', nameOfSegment(3)), aSegment(3)); // another file under a name that was sent ahead
    expect((await send(3)).exitCode).toBe(0);
    expect(await readdir(incoming)).toContain(nameOfSegment(3));
    // the same cache for another server of the backup host: what one has, the other still needs
    await site.home.writeServer('other', { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' });
    const toOther = ['-p', '4', '--prefetch-cache-dir', cache, '127.0.0.1', 'other', `pg_wal/${nameOfSegment(4)}`];
    await mkdir(site.home.server('other', 'incoming'), { recursive: true });
    expect((await site.run([archive, ...toOther])).exitCode).toBe(0);
    expect(await readdir(site.home.server('other', 'incoming'))).toContain(nameOfSegment(4));
  });

  test.each([
    { title: 'a path that is a folder', words: ['127.0.0.1', 'main', 'pg_wal'], exitCode: 2 },
    { title: 'a file that is not there', words: ['127.0.0.1', 'main', 'pg_wal/none'], exitCode: 2 },
    {
      title: 'a server that the backup host does not know',
      words: ['127.0.0.1', 'nobody', `pg_wal/${nameOfSegment(1)}`],
      exitCode: 1,
    },
    { title: 'a host without sshd', words: ['--port', '1', '127.0.0.1', 'main', `pg_wal/${nameOfSegment(1)}`], exitCode: 3 },
    { title: 'missing arguments', words: ['127.0.0.1'], exitCode: 2 },
  ])('fails with $exitCode for $title', async ({ words, exitCode }) => {
    const result = await site.run([await helperOf(site, 'wal-archive'), ...words]);
    expect({ exitCode: result.exitCode, lines: result.stderr.trim().split('\n').length < 4 }).toEqual({
      exitCode,
      lines: true,
    });
    expect(result.stderr).not.toContain('    at ');
  });
});

describe('a WAL file that changes while it is sent', () => {
  test.each([
    { title: 'becomes shorter', length: '1M' },
    { title: 'becomes empty', length: '0' },
    { title: 'becomes longer', length: '+1M' },
  ])('fails with 2 when it $title, and nothing of it is stored', async ({ length }) => {
    await using site = await openShipSite('ours');
    const [path, archive] = [join(site.data, 'pg_wal', nameOfSegment(1)), await helperOf(site, 'wal-archive')];
    await writeFile(path, Buffer.concat([aSegment(1), Buffer.alloc(31 << 20)])); // more than pipes and buffers on the way hold
    const { argv, env, cwd } = site.command([archive, '127.0.0.1', 'main', path]);
    // passes on what it reads, and changes the file as soon as the first bytes came: the others still wait to be read
    const slow = await site.home.makeFolder('slow');
    const script = `#!/bin/sh\n{ head -c 512; truncate -s ${length} '${path}'; cat; } | PATH="\${PATH#*:}" ssh "$@"\n`;
    await writeFile(join(slow, 'ssh'), script, { mode: 0o755 });
    const result = await runProgram(argv, { env: { ...env, PATH: `${slow}:${env['PATH'] ?? ''}` }, cwd, timeoutMs: 60_000 });
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`${path} changed its length`) as string });
    await rm(join(site.data, 'postmaster.pid')); // whoever holds the connection then ends
    await waitFor('the backup host has ended', async () => (await site.home.processes()).length === 0);
    expect(await readdir(site.home.server('main', 'incoming'))).toEqual([]);
    await writeFile(path, aSegment(1));
    expect((await site.run([archive, '127.0.0.1', 'main', path])).exitCode).toBe(0);
    expect(await readdir(site.home.server('main', 'incoming'))).toEqual([nameOfSegment(1)]);
  });

  test('fails with 2 when it becomes shorter while it is compressed, before it is sent', async () => {
    await using site = await openShipSite('ours');
    const [path, archive] = [join(site.data, 'pg_wal', nameOfSegment(1)), await helperOf(site, 'wal-archive')];
    await writeFile(path, aSegment(1));
    const { argv, env, cwd } = site.command([archive, '--xz', '127.0.0.1', 'main', path]);
    const changing = await site.home.makeFolder('changing');
    await writeFile(join(changing, 'xz'), `#!/bin/sh\ntruncate -s 8K '${path}'\nexec /usr/bin/xz "$@"\n`, { mode: 0o755 });
    const result = await runProgram(argv, { env: { ...env, PATH: `${changing}:${env['PATH'] ?? ''}` }, cwd });
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`${path} changed its length`) as string });
    expect(await namesIn(site.home.server('main', 'incoming'))).toEqual([]);
  });
});

describe('restore_command', () => {
  test('has segments fetched ahead, which are moved into place and are the very bytes', async () => {
    await using site = await openShipSite('ours', { compression: 'zstd' });
    const restore = await helperOf(site, 'wal-restore');
    const segments = new Map(Array.from({ length: 12 }, (_, index) => [nameOfSegment(index + 1), aSegment(index + 1)]));
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
    expect((await fetch(nameOfSegment(13))).exitCode).toBe(1);
  });

  test('takes what waits in the spool without the backup host, and never more than was asked for waits there', async () => {
    await using site = await openShipSite('ours');
    const restore = await helperOf(site, 'wal-restore');
    const incoming = await site.home.makeFolder('home/main/incoming');
    for (let number = 1; number <= 9; number++) await writeFile(join(incoming, nameOfSegment(number)), aSegment(number));
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
        nameOfSegment(number),
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
          await readFile(join(site.home.server('main', 'wals', '0000000100000000'), nameOfSegment(number))),
        ),
      ).toBe(true);
    }
  });

  test('does not let a segment of another cluster, of another place or of a wrong length into the spool', async () => {
    await using site = await openShipSite('ours');
    const restore = await helperOf(site, 'wal-restore');
    const incoming = await site.home.makeFolder('home/main/incoming');
    await writeFile(join(incoming, nameOfSegment(1)), aSegment(1));
    await writeFile(join(incoming, nameOfSegment(2)), aSegment(2, { systemid: 1n }));
    await archivedInto(site);
    const spool = await site.home.makeFolder('spool');
    const words = ['-p', '3', '--spool-dir', spool, '127.0.0.1', 'main'];
    expect((await site.run([restore, ...words, nameOfSegment(1), 'pg_wal/RECOVERYXLOG'])).exitCode).toBe(0);
    await rm(join(site.data, 'postmaster.pid'));
    await waitFor('the fetching ahead has ended', async () => (await site.home.processes()).length === 0);
    expect(await readdir(spool)).toEqual([]);
    const second = await site.run([restore, ...words, nameOfSegment(2), 'pg_wal/RECOVERYXLOG']);
    expect(second.exitCode).not.toBe(0);
  });

  test('leaves the destination alone when it fails, and tells a missing file from a broken connection', async () => {
    await using site = await openShipSite('ours');
    const restore = await helperOf(site, 'wal-restore');
    await writeFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'), 'as it was');
    const words = ['--retry-time', '0', '127.0.0.1', 'main', nameOfSegment(1), 'pg_wal/RECOVERYXLOG'];
    expect((await site.run([restore, ...words])).exitCode).toBe(1);
    await site.stopSsh();
    expect((await site.run([restore, ...words])).exitCode).toBe(2);
    expect((await site.run([restore, '--strict', ...words])).exitCode).toBeGreaterThan(125);
    expect(await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'), 'utf8')).toBe('as it was');
    expect((await site.run([restore, '127.0.0.1', 'main', nameOfSegment(1), 'pg_wal'])).exitCode).toBe(3);
    expect((await site.run([restore, '-z', '-j', '127.0.0.1', 'main', nameOfSegment(1), 'x'])).exitCode).toBe(2);
  });
});

test('restore_command fails immediately, and the backup host with it, when nothing can be written beside the destination', async () => {
  await using site = await openShipSite('ours');
  await mkdir(site.home.server('main', 'incoming'), { recursive: true });
  await writeFile(site.home.server('main', 'incoming', nameOfSegment(1)), aSegment(1, { bytes: 16 << 20 }));
  const alone = [await helperOf(site, 'wal-restore'), '-p', '0'];
  const words = [...alone, '127.0.0.1', 'main', nameOfSegment(1), 'pg_wal/RECOVERYXLOG'];
  const inTheWay = join(site.data, 'pg_wal', 'RECOVERYXLOG.arriving');
  await mkdir(inTheWay);
  expect(await site.run(words)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(inTheWay.slice(-13)) as string });
  await rmdir(inTheWay);
  expect(await site.run(words)).toMatchObject({ exitCode: 0, stderr: '' });
});

test('a backup host that falls silent in the middle of a transfer is a broken connection for both helpers', async () => {
  await using home = await createTestHome();
  const program = join(home.folder, 'silent');
  await writeFile(program, '#!/bin/bash\nhead -c 100000 /dev/zero\nkill -STOP $PPID\nexec sleep 1000\n', { mode: 0o755 });
  await using sshd = await startSshd({ programs: { barman: program } });
  const programs = await home.makeFolder('ssh');
  // the same words, with seconds that a test can wait for
  const quick = `exec /usr/bin/${sshd.ssh} "\${@//ServerAliveInterval=15/ServerAliveInterval=1}"`;
  await writeFile(join(programs, 'ssh'), `#!/bin/bash\n${quick}\n`, { mode: 0o755 });
  const data = await makeDataFolder(home, 'data');
  await writeFile(join(data, 'pg_wal', nameOfSegment(1)), aSegment(1, { bytes: 16 << 20 }));
  const settings = { env: home.env({ path: [programs] }), cwd: data };
  const [archive, restore] = [await programPath(home, 'pgcellar-wal-archive'), await programPath(home, 'pgcellar-wal-restore')];
  const to = ['-U', sshd.user];
  const sent = runProgram([archive, ...to, '127.0.0.1', 'main', `pg_wal/${nameOfSegment(1)}`], settings);
  const asked = [...to, '--retry-time', '0', '--strict', '127.0.0.1', 'main', nameOfSegment(2), 'pg_wal/RECOVERYXLOG'];
  const fetched = runProgram([restore, ...asked], settings);
  expect((await sent).exitCode).toBe(3);
  expect((await fetched).exitCode).toBeGreaterThan(125);
  expect(await namesIn(join(data, 'pg_wal'))).toEqual([nameOfSegment(1), 'archive_status']);
  await sshd.stop(); // with its sessions that stand still
});
