import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CheckResult } from '../../../src/check/check.ts';
import { runChecks } from '../../../src/check/run-checks.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { backupOf, indexWals, lonelyServer, quietContext, stoppedClock, storeBackups, toolsWith } from './check-setup.ts';

const inactive = 'active = off\nbackup_method = postgres\nconninfo = host=/nonexistent';
const active = 'backup_method = postgres\nstreaming_archiver = on\nslot_name = barman\nconninfo = host=/nonexistent';
const wal = (segment: number, time: number, size = 1024) =>
  `0000000100000000000000${segment.toString(16).padStart(2, '0').toUpperCase()} ${String(size)} ${String(time)} None None`;

function line(results: readonly CheckResult[], name: string): CheckResult | undefined {
  return results.find((result) => result.name === name);
}

describe('an inactive server', () => {
  test('has the lines of its catalog, in the order of Barman 3.20', async () => {
    await using home = await lonelyServer(inactive);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(results.map(({ name }) => name)).toEqual([
      'WAL archive',
      'directories',
      'retention policy settings',
      'backup maximum age',
      'backup minimum size',
      'wal maximum age',
      'wal size',
      'compression settings',
      'failed backups',
      'minimum redundancy requirements',
      'systemid coherence',
      'archiver errors',
    ]);
    expect(results.filter(({ isOk }) => !isOk).map(({ name }) => name)).toEqual(['WAL archive']);
    expect(line(results, 'systemid coherence')?.hint).toBe('no system Id available');
  });

  test('takes nothing in', async () => {
    await using home = await lonelyServer(inactive);
    const archivePending = (): Promise<boolean> => Promise.reject(new Error('asked to archive'));
    await expect(runChecks({ server: home.server, tools: toolsWith({ archivePending }) })).resolves.toBeDefined();
  });

  test('gets its missing folders', async () => {
    await using home = await lonelyServer(inactive);
    await runChecks({ server: home.server, tools: toolsWith() });
    expect((await readdir(home.server.layout.root)).toSorted()).toEqual(['base', 'errors', 'incoming', 'streaming', 'wals']);
  });
});

describe('limits of age and size', () => {
  const limits = 'last_backup_maximum_age = 1 day\nlast_wal_maximum_age = 1 day\nlast_backup_minimum_size = 1Ki\n';
  const checkAt = async (now: string, size: number): Promise<readonly CheckResult[]> => {
    await using home = await lonelyServer(`${inactive}\n${limits}`);
    const beginWal = '000000010000000000000002';
    const wals = { beginWal, endWal: beginWal } as unknown as ReturnType<typeof backupOf>; // both are segment names
    await storeBackups(home.server, [
      backupOf('20260101T000000', { size, beginWal: wals.beginWal, endWal: wals.endWal }),
      backupOf('20260102T000000', { status: 'FAILED' }),
    ]);
    await indexWals(home.server, wal(1, 1), wal(2, Date.UTC(2026, 0, 1) / 1000), wal(3, Date.UTC(2026, 0, 1, 12) / 1000, 2048));
    const { results } = await runChecks({
      server: home.server,
      tools: toolsWith({ context: quietContext({ clock: stoppedClock(now) }) }),
    });
    return results;
  };

  test('a young and big enough backup', async () => {
    const results = await checkAt('2026-01-01T13:00:00Z', 1024);
    expect(line(results, 'backup maximum age')).toMatchObject({
      isOk: true,
      hint: 'interval provided: 1 day, latest backup age: 13 hours',
    });
    expect(line(results, 'backup minimum size')).toMatchObject({
      isOk: true,
      hint: 'last backup size 1.0 KiB > 1.0 KiB minimum',
      perfdata: 1024,
    });
    expect(line(results, 'wal maximum age')).toMatchObject({
      isOk: true,
      hint: 'interval provided: 1 day, latest wal age: 1 hour',
    });
    expect(line(results, 'wal size')).toMatchObject({ isOk: true, hint: '2.0 KiB', perfdata: 2048 });
    expect(line(results, 'failed backups')).toMatchObject({
      isOk: false,
      hint: 'there are 1 failed backups',
      isCritical: false,
    });
  });

  test('an old and small one', async () => {
    const results = await checkAt('2026-01-03T00:00:01Z', 1023);
    expect(line(results, 'backup maximum age')).toMatchObject({
      isOk: false,
      isCritical: false,
      hint: 'interval provided: 1 day, latest backup age: 2 days, 1 second',
    });
    expect(line(results, 'backup minimum size')).toMatchObject({
      isOk: false,
      hint: 'last backup size 1023 B < 1.0 KiB minimum',
      perfdata: 1023,
    });
    expect(line(results, 'wal maximum age')).toMatchObject({ isOk: false });
  });

  test('no backup at all', async () => {
    await using home = await lonelyServer(`${inactive}\n${limits}`);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'backup maximum age')?.hint).toBe('interval provided: 1 day, latest backup age: No available backups');
    expect(line(results, 'wal maximum age')?.hint).toBe('No WAL files archived for last backup');
  });
});

describe('the catalog', () => {
  test('incremental and unfinished backups do not count as redundancy', async () => {
    await using home = await lonelyServer(`${inactive}\nminimum_redundancy = 2`);
    const full = backupOf('20260101T000000');
    await storeBackups(home.server, [
      full,
      backupOf('20260102T000000', { parentBackupId: full.id }),
      backupOf('20260103T000000', { status: 'WAITING_FOR_WALS' }),
    ]);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'minimum redundancy requirements')).toMatchObject({
      isOk: false,
      hint: 'have 1 non-incremental backups, expected at least 2',
    });
    expect(line(results, 'WAL archive')).toBeUndefined(); // one waits for its WAL
  });

  test('a record that cannot be read is told, and hides no other', async () => {
    await using home = await lonelyServer(inactive);
    await storeBackups(home.server, [backupOf('20260101T000000', { size: 10 })]);
    await writeFile(join(home.server.layout.root, 'meta', '20260102T000000-backup.info'), 'no record');
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'backup records')).toMatchObject({ isOk: false, isCritical: false });
    expect(line(results, 'backup minimum size')?.perfdata).toBe(10);
  });

  test('an index that cannot be read fails the checks that need it, and no other', async () => {
    await using home = await lonelyServer(inactive);
    await mkdir(home.server.layout.wals, { recursive: true });
    await writeFile(join(home.server.layout.wals, 'main-xlog.db'), 'what is this\n');
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(results.filter(({ isOk }) => !isOk).map(({ name }) => name)).toEqual(['WAL archive', 'wal size']);
    expect(line(results, 'wal size')?.hint).toMatch(/main-xlog\.db:1: not a line of a WAL index/);
  });

  test('refused files are counted by kind', async () => {
    await using home = await lonelyServer(inactive);
    await mkdir(home.server.layout.errors, { recursive: true });
    for (const name of ['a.1.duplicate', 'b.1.unknown', 'c.1.error', 'd', 'e.1.duplicate']) {
      await writeFile(join(home.server.layout.errors, name), '');
    }
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'archiver errors')).toMatchObject({
      isOk: false,
      hint: 'duplicates: 2, unknown: 1, not relevant: 1, unknown failure: 1',
    });
  });

  test('waiting files count unless they are hidden or half written', async () => {
    await using home = await lonelyServer(`${inactive}\narchiver = on\nmax_incoming_wals_queue = 1`);
    const { incoming, streaming } = home.server.layout;
    for (const folder of [incoming, streaming]) await mkdir(folder, { recursive: true });
    for (const name of ['1', '2', '.hidden', '3.tmp', '4.partial']) await writeFile(join(incoming, name), '');
    await writeFile(join(streaming, '000000010000000000000001.partial'), '');
    const queued = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(queued.results, 'incoming WALs directory')?.hint).toBe('there are too many WALs in queue: 2, max 1');
    expect(line(queued.results, 'empty streaming directory')).toBeUndefined();
    await rm(join(incoming, '1'));
    await writeFile(join(streaming, '000000010000000000000001'), '');
    const left = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(left.results, 'incoming WALs directory')).toBeUndefined();
    expect(line(left.results, 'empty streaming directory')?.hint).toBe(
      `'${streaming}' must be empty when streaming_archiver=off`,
    );
  });

  test('a folder that cannot be made', async () => {
    await using home = await lonelyServer(`${inactive}\nerrors_directory = FOLDER/main.conf/errors`);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'directories')).toEqual({
      name: 'directories',
      isOk: false,
      hint: `${home.folder}/main.conf/errors: ENOTDIR`,
      perfdata: undefined,
      isCritical: true,
      remedy: expect.objectContaining({ key: 'folder-blocked' }) as unknown,
    });
  });
});

describe('the configuration', () => {
  test('options that ask for what does not exist yet', async () => {
    await using home = await lonelyServer(
      'active = off\ncompression = custom\nworm_mode = on\nencryption = gpg\nencryption_key_id = x',
    );
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'encryption')).toMatchObject({ isOk: false });
    expect(line(results, 'compression settings')?.hint).toBe(
      'compression = custom needs custom_compression_filter and custom_decompression_filter',
    );
    expect(line(results, 'unavailable options')).toMatchObject({
      isOk: false,
      isCritical: false,
      hint: 'not available yet: worm_mode = true',
    });
  });

  test('an object store has no folder and is not available yet', async () => {
    await using home = await lonelyServer(`${inactive}\nbasebackups_directory = s3://bucket/prefix`);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'cloud storage configuration')).toMatchObject({ isOk: false, isCritical: true });
    expect(line(results, 'directories')).toMatchObject({ isOk: true });
  });

  test('a compression whose program is missing', async () => {
    await using home = await lonelyServer(`${inactive}\ncompression = lz4`);
    const server = { ...home.server, programPath: '/nonexistent' };
    const { results } = await runChecks({ server, tools: toolsWith() });
    expect(line(results, 'compression settings')?.hint).toBe('the program lz4 was not found');
    expect(line(results, 'programs')).toMatchObject({
      isOk: false,
      isCritical: true,
      hint: 'not found: flock, setpriv; install the package util-linux',
    });
  });

  test('a policy that cannot be read', async () => {
    await using home = await lonelyServer(`${inactive}\nretention_policy = for ever`);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(line(results, 'retention policy settings')).toMatchObject({ isOk: false, isCritical: true });
  });

  test('problems disable the server: no folder is made, and the report gets them', async () => {
    await using home = await lonelyServer('backup_method = postgres\nstreaming_archiver = on');
    const { results, problems } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(problems).not.toEqual([]);
    expect(line(results, 'configuration')).toMatchObject({ isOk: false, isCritical: true, hint: undefined });
    expect(line(results, 'directories')).toBeUndefined();
    expect(await readdir(join(home.folder, 'home'))).not.toContain('main');
  });
});

describe('a server that cannot be reached', () => {
  test.skipIf(lacksPrograms('pg_basebackup'))('has the lines that Barman has then', async () => {
    await using home = await lonelyServer(active);
    const { results } = await runChecks({ server: home.server, tools: toolsWith() });
    expect(results.map(({ name }) => name)).toEqual([
      'WAL archive',
      'PostgreSQL',
      'replication slot',
      'directories',
      'retention policy settings',
      'backup maximum age',
      'backup minimum size',
      'wal maximum age',
      'wal size',
      'compression settings',
      'failed backups',
      'minimum redundancy requirements',
      'pg_basebackup',
      'pg_basebackup compatible',
      'systemid coherence',
      'pg_receivexlog',
      'pg_receivexlog compatible',
      'receive-wal running',
      'archiver errors',
    ]);
    const receiver = line(results, 'receive-wal running');
    expect(receiver?.hint).toBe('the server does not answer: there is nothing to stream from');
    expect(receiver?.remedy?.steps.map(({ use }) => use)).toEqual(['advice']); // no receiver is started that cannot run
    expect(line(results, 'pg_basebackup compatible')?.hint).toMatch(/^PostgreSQL version: None, pg_basebackup version: \d/);
  });

  test('archives what waits when nothing was archived yet', async () => {
    await using home = await lonelyServer(active);
    const archivePending = async (): Promise<boolean> => {
      await indexWals(home.server, wal(1, 1));
      return true;
    };
    const { results } = await runChecks({ server: home.server, tools: toolsWith({ archivePending }) });
    expect(line(results, 'WAL archive')).toBeUndefined();
  });

  test('an expected failure is a line, and no other check suffers', async () => {
    await using home = await lonelyServer(active);
    const archivePending = (): Promise<boolean> => Promise.reject(new OperatorError('lock-failed', 'no such folder'));
    const { results } = await runChecks({ server: home.server, tools: toolsWith({ archivePending }) });
    expect(line(results, 'WAL archive')).toMatchObject({ isOk: false, hint: 'no such folder' });
    expect(results.at(-1)?.name).toBe('archiver errors');
  });

  test('a file that the system refuses is a line, too', async () => {
    await using home = await lonelyServer(active);
    const refused = Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO' });
    const { results } = await runChecks({
      server: home.server,
      tools: toolsWith({ archivePending: () => Promise.reject(refused) }),
    });
    expect(line(results, 'WAL archive')).toMatchObject({ isOk: false, hint: 'EIO: i/o error, open' });
    expect(results.at(-1)?.name).toBe('archiver errors');
  });

  test('any other error ends the checks', async () => {
    await using home = await lonelyServer(active);
    const archivePending = (): Promise<boolean> => Promise.reject(new TypeError('a bug'));
    await expect(runChecks({ server: home.server, tools: toolsWith({ archivePending }) })).rejects.toThrow(TypeError);
  });

  test('when the time is up the rest is left out', async () => {
    await using home = await lonelyServer(active);
    const clock = stoppedClock('2026-01-01T00:00:00Z');
    const archivePending = async (): Promise<boolean> => {
      clock.wake();
      return await new Promise<never>(() => undefined);
    };
    const { results } = await runChecks({
      server: home.server,
      tools: toolsWith({ context: quietContext({ clock }), archivePending }),
    });
    expect(results).toEqual([
      {
        name: 'check timeout',
        isOk: false,
        hint: "timed out after 30 seconds, at 'WAL archive'",
        isCritical: true,
        remedy: expect.objectContaining({ key: 'check-slow' }) as unknown,
      },
    ]);
  });
});
