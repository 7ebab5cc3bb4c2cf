// File-level backups that do not end well: who is told, what the record says, and that the server is left out of backup mode.
import { existsSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import { backUpByRsync, configureRsync, type RsyncStage, setRsyncStage } from '../helpers/rsync-stage.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { untilCopying } from '../helpers/until-copying.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeScript } from '../unit/transport/scripts.ts';

const major = 17;
const opened = new Opened();
let stage: RsyncStage;
beforeAll(async () => {
  stage = await setRsyncStage(major, opened, { archive_mode: 'on', archive_command: 'true' });
});
afterAll(async () => opened.close());

/** An rsync that tells that it was started and never ends; it stands in only for the time in which a test strikes. */
async function hangingRsync(): Promise<{ path: string; started: string }> {
  const folder = await stage.home.makeFolder('hanging');
  const started = join(folder, `started-${String(performance.now())}`);
  await writeScript(folder, 'rsync', `touch ${started}; exec sleep 1000`);
  return { path: folder, started };
}

async function strike(how: (running: RunningProgram) => unknown): Promise<ProgramResult> {
  const { path, started } = await hangingRsync();
  const running = await spawnPgcellar(['backup', 'main'], { home: stage.home, path: [path] });
  await untilCopying(running, started);
  expect(await isInBackupMode()).toBe(true);
  await how(running);
  return await running.ended;
}

/** The session of a backup that is under way. */
async function isInBackupMode(): Promise<boolean> {
  const sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'barman' AND query LIKE '%backup_start%'";
  return (await stage.cluster.value(sql)) !== '0';
}

async function expectCleanFailure(result: ProgramResult, reason: RegExp): Promise<void> {
  expect(result.exitCode).toBe(1);
  const record = await newestRecord(stage.home);
  expect(record).toMatch(/^status=FAILED$/m);
  expect(/^error=(.*)$/m.exec(record)?.[1]).toMatch(reason);
  expect(await isInBackupMode()).toBe(false);
  await waitFor('no child is left', async () => {
    const left = await stage.home.processes();
    return left.every(({ command }) => !/^sleep 1000|rsync -/.test(command));
  });
}

describe('a backup that is struck while it copies', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('by %s is FAILED, and nothing is left running', async (signal) => {
    const result = await strike((running) => {
      running.kill(signal);
    });
    await expectCleanFailure(result, /^failure copying files \(interrupted by a signal\)$/);
  });

  test('by SIGINT while the server waits for its WAL to be archived ends immediately, and so does the session', async () => {
    const { cluster, home } = stage;
    const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'BackupWaitWalArchive'";
    await cluster.query("ALTER SYSTEM SET archive_command = 'false'");
    await cluster.query('SELECT pg_reload_conf()');
    const running = await spawnPgcellar(['backup', 'main'], { home });
    await waitFor('the server waits', async () => (await cluster.value(waits)) === '1', { explain: () => running.stderr() });
    running.kill('SIGINT');
    await expectCleanFailure(await running.ended, /^failure issuing stop of the backup \(interrupted by a signal\)$/);
    await waitFor('the session has ended', async () => (await cluster.value(waits)) === '0');
    await cluster.query('ALTER SYSTEM RESET archive_command');
    await cluster.query('SELECT pg_reload_conf()');
  });

  test('by a disk that cannot be synced while the server waits for its WAL to be archived is FAILED immediately', async () => {
    const { cluster, home } = stage;
    const folder = await home.makeFolder('losing');
    // a folder that is gone cannot be synced, as one on a disk that fails
    const lose = 'for word; do last="$word"; done; [ ! -d "${last}pg_notify" ] || rmdir "${last}pg_notify"';
    await writeScript(folder, 'rsync', `/usr/bin/rsync "$@"; code=$?; ${lose}; exit $code`);
    await cluster.query("ALTER SYSTEM SET archive_command = 'false'");
    await cluster.query('SELECT pg_reload_conf()');
    const result = await runPgcellar(['backup', 'main'], { home, path: [folder] });
    await expectCleanFailure(result, /^failure copying files \(ENOENT: .*pg_notify.*\)$/);
    const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'BackupWaitWalArchive'";
    await waitFor('the session has ended', async () => (await cluster.value(waits)) === '0');
    await cluster.query('ALTER SYSTEM RESET archive_command');
    await cluster.query('SELECT pg_reload_conf()');
  });

  test('by SIGINT while the server hangs is FAILED without its answer', async () => {
    const result = await strike(async (running) => {
      await stage.cluster.freeze();
      running.kill('SIGINT');
      await running.ended;
      await stage.cluster.thaw();
    });
    await waitFor('the server notices', async () => !(await isInBackupMode()));
    await expectCleanFailure(result, /^failure copying files \(interrupted by a signal\)$/);
  });

  test('by the loss of its session is FAILED immediately, in the words of the connection', async () => {
    const result = await strike(async () => {
      await stage.cluster.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'barman' AND query LIKE '%backup_start%'",
      );
    });
    await expectCleanFailure(result, /^failure copying files \(cannot connect to PostgreSQL .*\)$/);
  });

  test('by the death of rsync is FAILED with what rsync said', async () => {
    const result = await strike(async () => {
      const sleeping = (await stage.home.processes()).filter(({ command }) => command === 'sleep 1000');
      expect(sleeping).toHaveLength(1);
      for (const { pid } of sleeping) process.kill(pid, 'SIGKILL');
    });
    await expectCleanFailure(result, /^failure copying files \(rsync failed \(signal SIGKILL\).*\)$/);
  });

  test('by the death of its ssh is FAILED with what rsync said', async () => {
    const running = await spawnPgcellar(['backup', '--bwlimit', '300', 'main'], { home: stage.home });
    const sshOfRsync = async () =>
      (await stage.home.processes()).filter(({ command }) => /^ssh .* rsync --server/.test(command));
    await waitFor('rsync has logged in', async () => (await sshOfRsync()).length > 0, { explain: () => running.stderr() });
    expect(await isInBackupMode()).toBe(true);
    for (const { pid } of await sshOfRsync()) process.kill(pid, 'SIGKILL');
    await expectCleanFailure(await running.ended, /^failure copying files \(rsync failed \(exit code \d+\): .*\)$/);
  });

  test('by SIGKILL before it has begun leaves a record that is EMPTY, which cron marks', async () => {
    const folder = await stage.home.makeFolder('hook');
    const started = join(folder, 'started');
    const hook = await writeScript(folder, 'hook', `touch ${started}; exec sleep 1000`);
    await configureRsync(stage, { pre_backup_script: hook });
    const running = await spawnPgcellar(['backup', 'main'], { home: stage.home });
    await waitFor('the hook runs', () => existsSync(started), { explain: () => running.stderr() });
    running.kill('SIGKILL');
    await running.ended;
    // the shell that ran the script was told to end, and what it had started is ours to end
    for (const { pid, command } of await stage.home.processes()) if (command === 'sleep 1000') process.kill(pid, 'SIGKILL');
    expect(await newestRecord(stage.home)).toMatch(/^status=EMPTY$/m);
    await configureRsync(stage);
    await runWell(['cron'], { home: stage.home });
    expect(await newestRecord(stage.home)).toMatch(/^status=FAILED$/m);
  });

  test('by SIGKILL is cleaned up by the next one, which leaves a running one alone', async () => {
    await strike((running) => {
      running.kill('SIGKILL');
    });
    expect(await newestRecord(stage.home)).toMatch(/^status=STARTED$/m);
    await waitFor('the server notices', async () => !(await isInBackupMode()));
    const id = await backUpByRsync(stage);
    const list = (await runPgcellar(['list-backups', 'main'], { home: stage.home })).stdout;
    expect(list).toMatch(/ - FAILED$/m);
    expect(list).not.toMatch(/STARTED|EMPTY/);
    expect(list).toContain(id);
  });

  test('by the end of the server is FAILED', async () => {
    const result = await strike(async () => {
      await stage.cluster.restart('immediate');
    });
    await expectCleanFailure(result, /^failure copying files \(cannot connect to PostgreSQL .*\)$/);
    await waitFor('the receiver has ended with the server', async () => {
      return (await stage.home.processes()).every(({ command }) => !command.includes('receive-wal'));
    });
    await startReceiver(stage.home, stage.cluster);
  });
});

test('a host that cannot be reached by ssh is told before anything begins', async () => {
  await configureRsync(stage, { ssh_command: 'ssh -F none -p 1 -o BatchMode=yes nobody@127.0.0.1' });
  const result = await runPgcellar(['backup', 'main'], { home: stage.home });
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(/^ERROR: Impossible to start the backup of server 'main': ssh$/m);
  const check = await runPgcellar(['check', 'main'], { home: stage.home });
  expect(check.stdout).toMatch(/^\tssh: FAILED \(cannot reach nobody@127\.0\.0\.1 by ssh: .*\)$/m);
  await configureRsync(stage);
  expect((await runPgcellar(['check', 'main'], { home: stage.home })).stdout).toMatch(/^\tssh: OK \(PostgreSQL server\)$/m);
});

test('a failing copy is tried again as often as is asked for', async () => {
  const folder = await stage.home.makeFolder('failing');
  const log = join(folder, 'log');
  await writeScript(folder, 'rsync', `echo try >> ${log}; echo 'no way' >&2; exit 12`);
  const words = ['backup', '--retry-times', '2', '--retry-sleep', '0', 'main'];
  const result = await runPgcellar(words, { home: stage.home, path: [folder] });
  expect((await readFile(log, 'utf8')).split('try')).toHaveLength(4);
  await expectCleanFailure(result, /^failure copying files \(rsync failed \(exit code 12\): no way\)$/);
});

test('a copy whose sshd is restarted goes on after a new login', async () => {
  await using sshd = await startSshd();
  const folder = await stage.home.makeFolder('slow-once');
  // the first run takes its time, so that it is struck in the middle
  const slowOnce = `[ -e ${folder}/tried ] || { touch ${folder}/tried; exec /usr/bin/rsync --bwlimit=300 "$@"; }`;
  await writeScript(folder, 'rsync', `${slowOnce}; exec /usr/bin/rsync "$@"`);
  await configureRsync(stage, { ssh_command: sshd.sshCommand });
  const words = ['backup', '--wait', '--retry-times', '3', '--retry-sleep', '1', 'main'];
  const earlier = await namesIn(stage.home.server('main', 'base'));
  const running = await spawnPgcellar(words, { home: stage.home, path: [folder] });
  await waitFor('rsync copies', async () => {
    const [id] = (await namesIn(stage.home.server('main', 'base'))).filter((name) => !earlier.includes(name));
    const found = await readdir(stage.home.server('main', 'base', id ?? 'none'), {
      recursive: true,
      withFileTypes: true,
    }).catch(() => []);
    return found.some((entry) => entry.isFile() && entry.name !== 'backup.info');
  });
  await sshd.stop();
  await sshd.restart();
  const { exitCode, stderr } = await running.ended;
  expect(stderr).toMatch(/^WARNING: rsync failed \(exit code \d+\): .*; 3 attempts left, the next one in 1 s$/m);
  expect(exitCode).toBe(0);
  expect(await newestRecord(stage.home)).toMatch(/^status=DONE$/m);
  await configureRsync(stage);
});

test.skipIf(!(await canMount()))('a full disk fails the backup with its reason', async () => {
  await using small = await mountSmallFileSystem({ sizeMib: 12 });
  await configureRsync(stage, { basebackups_directory: small.path });
  const result = await runPgcellar(['backup', 'main'], { home: stage.home });
  await expectCleanFailure(result, /No space left on device|ENOSPC/);
  await configureRsync(stage);
});

describe('verify_checksums', () => {
  /** Changes a page on the disk of the server, behind its back. */
  async function damage(table: string, block: number, change: (page: Buffer) => void): Promise<string> {
    const path = join(stage.cluster.dataDir, await stage.cluster.value(`SELECT pg_relation_filepath('${table}')`));
    await stage.cluster.query('CHECKPOINT');
    await changePage(path, block, change);
    return path;
  }

  async function changePage(path: string, block: number, change: (page: Buffer) => void): Promise<void> {
    await using file = await open(path, 'r+');
    const page = Buffer.alloc(8192);
    await file.read(page, 0, 8192, block * 8192);
    change(page);
    await file.write(page, 0, 8192, block * 8192);
  }

  const flipByte = (page: Buffer): void => {
    page.writeUInt8(page.readUInt8(5000) ^ 0xff, 5000);
  };

  async function makeTable(name: string): Promise<void> {
    await stage.cluster.query(`CREATE TABLE ${name} AS SELECT n, md5(n::text) AS t FROM generate_series(1, 2000) n`);
    await stage.cluster.query(`VACUUM FREEZE ${name}`); // nothing changes it any more
  }

  /** Changes many pages, with and without WAL, while something else happens. */
  async function underLoad<T>(work: () => Promise<T>): Promise<T> {
    const { cluster } = stage;
    await cluster.query('CREATE TABLE busy AS SELECT n, md5(n::text) AS t FROM generate_series(1, 50000) n');
    const stop = new AbortController();
    const writing = (async () => {
      for (let round = 0; !stop.signal.aborted; round++) {
        await cluster.query(`UPDATE busy SET t = md5('${String(round)}' || n) WHERE n % 7 = ${String(round % 7)}`);
        await cluster.query('SELECT count(*) FROM busy'); // sets hint bits, which change pages but not their LSN
        await cluster.query('CHECKPOINT');
      }
    })();
    try {
      return await work();
    } finally {
      stop.abort();
      await writing;
      await cluster.query('DROP TABLE busy');
    }
  }

  test('finds nothing wrong with a sound cluster', async () => {
    await configureRsync(stage, { verify_checksums: 'fail' });
    const { stdout, exitCode } = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Page checksums verified \(time: .*\): all good$/m);
  });

  test('puts the page of the server in the place of one that was torn by a write while it was read', async () => {
    await makeTable('torn');
    await stage.cluster.query('CHECKPOINT');
    const path = await stage.cluster.value("SELECT pg_relation_filepath('torn')");
    const folder = await stage.home.makeFolder('tearing');
    // the second half of block 2 as it was before: what a reader gets who comes between two writes of the kernel
    const tear = `for word; do last="$word"; done; [ -f "$last"${path} ] && dd if=/dev/zero of="$last"${path} bs=4096 seek=5 count=1 conv=notrunc status=none && touch ${folder}/torn`;
    await writeScript(folder, 'rsync', `/usr/bin/rsync "$@"; code=$?; ${tear}; exit $code`);
    await configureRsync(stage, { verify_checksums: 'fail' });
    const { exitCode, stdout, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home, path: [folder] });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/: all good$/m);
    expect(existsSync(join(folder, 'torn'))).toBe(true);
    const id = (await readdir(stage.home.server('main', 'base'))).toSorted().at(-1) ?? '';
    const copy = await readFile(stage.home.server('main', 'base', id, 'data', path));
    expect(copy.equals(await readFile(join(stage.cluster.dataDir, path)))).toBe(true);
    await configureRsync(stage);
  });

  test('takes no page for damaged that is being changed while it is read', async () => {
    await configureRsync(stage, { verify_checksums: 'fail' });
    const { exitCode, stdout, stderr } = await underLoad(
      async () => await runPgcellar(['backup', 'main'], { home: stage.home }),
    );
    expect({ exitCode, stderr: stderr.replace(/^WARNING: IMPORTANT(.*\n?)*/m, '') }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/: all good$/m);
    await configureRsync(stage);
  });

  test('names file, block and relation of a damaged page, and goes on or fails as it is asked to', async () => {
    await makeTable('doomed');
    const path = await damage('doomed', 3, flipByte);
    await configureRsync(stage, { verify_checksums: 'report' });
    const reported = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home });
    expect(reported.exitCode).toBe(0);
    expect(reported.stderr).toContain(
      `WARNING: wrong page checksum in block 3 of ${path} (relation doomed, fork main, database postgres)`,
    );
    await configureRsync(stage, { verify_checksums: 'fail' });
    const failed = await underLoad(async () => await runPgcellar(['backup', 'main'], { home: stage.home }));
    await expectCleanFailure(
      failed,
      /^failure verifying page checksums \(1 pages have wrong checksums, the first in block 3 of /,
    );
    await configureRsync(stage);
    await stage.cluster.query('DROP TABLE doomed');
  });

  test.each([
    {
      title: 'that says it was changed after all that the server has written',
      change: (page: Buffer) => page.fill(0xff, 0, 8),
    },
    { title: 'whose header is gone', change: (page: Buffer) => page.fill(0, 0, 24) },
  ])('finds a page $title', async ({ change }) => {
    await makeTable('headless');
    const path = await damage('headless', 5, change);
    await configureRsync(stage, { verify_checksums: 'fail', backup_method: 'local-rsync' });
    const failed = await runPgcellar(['backup', 'main'], { home: stage.home });
    await expectCleanFailure(
      failed,
      /^failure verifying page checksums \(1 pages have wrong checksums, the first in block 5 of /,
    );
    expect(failed.stderr).toContain(`block 5 of ${path} (relation headless,`);
    await configureRsync(stage);
    await stage.cluster.query('DROP TABLE headless');
  });

  test('mends what has gone bad on this host in a file that is linked to the backup before', async () => {
    await makeTable('rotten');
    const path = await stage.cluster.value("SELECT pg_relation_filepath('rotten')");
    await configureRsync(stage, { verify_checksums: 'fail', reuse_backup: 'link' });
    await backUpByRsync(stage);
    const before = stage.home.server('main', 'base', await backUpByRsync(stage), 'data', path);
    await changePage(before, 2, flipByte);
    await runProgram(['touch', '-r', join(stage.cluster.dataDir, path), before]); // a disk that forgets tells nobody
    const damaged = await readFile(before);
    const { exitCode, stdout, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home: stage.home });
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/^WARNING: block 2 of .* is damaged in the earlier backups on this host/) as string,
    });
    expect(stdout).toMatch(/: all good$/m);
    const id = (await readdir(stage.home.server('main', 'base'))).toSorted().at(-1) ?? '';
    const copy = stage.home.server('main', 'base', id, 'data', path);
    expect((await readFile(copy)).equals(await readFile(join(stage.cluster.dataDir, path)))).toBe(true);
    expect((await readFile(before)).equals(damaged)).toBe(true);
    await configureRsync(stage);
  });
});
