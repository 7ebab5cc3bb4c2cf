// A PostgreSQL host in other hands: its find, its rsync, its stat, and the names and settings of its server. Nothing outside of the backup
// is touched, an older backup stays what it was, and the new one is FAILED.
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { backUpByRsync, type RsyncStage, setRsyncStage } from '../helpers/rsync-stage.ts';
import { type PgcellarOptions, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { streamingServer } from '../helpers/test-home.ts';

describe('a hostile host', () => {
  const opened = new Opened();
  let stage: RsyncStage;
  let sshd: Sshd;
  let programs: string;
  let goodId: string;
  let before: string;

  beforeAll(async () => {
    stage = await setRsyncStage(18, opened);
    programs = join(stage.home.folder, 'theirs');
    await mkdir(programs);
    for (const name of ['find', 'rsync', 'stat']) await pretend(name, 'exec "$REAL" "$@"');
    const found = Object.fromEntries(['find', 'rsync', 'stat'].map((name) => [name, join(programs, name)]));
    sshd = await opened.add(startSshd({ programs: found }));
    await configure({});
    goodId = await backUpByRsync({ ...stage, sshd });
    await chmod(stage.home.folder, 0o755);
    before = await everything();
  });
  afterAll(async () => opened.close());

  /** A program that does as its namesake, or something else. */
  async function pretend(name: string, script: string): Promise<void> {
    await writeFile(join(programs, name), `#!/bin/bash\nREAL=/usr/bin/${name}\n${script}\n`, { mode: 0o755 });
  }

  async function configure(more: Readonly<Record<string, string>>): Promise<void> {
    const options = {
      backup_method: 'rsync',
      backup_options: 'concurrent_backup',
      immediate_checkpoint: true,
      reuse_backup: 'link',
      ssh_command: sshd.sshCommand,
      basebackup_retry_times: 0,
      ...more,
    };
    await stage.home.writeServer('main', streamingServer(stage.cluster, options));
  }

  /** Modes, sizes, times and contents of all that a backup has no business with: the older backup, and what lies around the home. */
  async function everything(): Promise<string> {
    const { home } = stage;
    const list = ['find', home.folder, '-mindepth', '1', '-maxdepth', '2', '-printf', '%y %m %p\\n'];
    const base = home.server('main', 'base');
    const older = ['find', join(base, goodId), '-printf', '%y %m %s %T@ %p\\n'];
    const sums = ['sh', '-c', 'find "$1" -type f -exec sha256sum {} + | sort', 'sh', join(base, goodId)];
    const texts = await Promise.all([list, older, sums].map(async (argv) => (await runProgram(argv)).stdout));
    return texts
      .map((text) =>
        text
          .split('\n')
          .filter((line) => !/barman\.log|theirs|\.lock$/.test(line))
          .toSorted()
          .join('\n'),
      )
      .join('\n');
  }

  async function expectRefused(words: RegExp, options: Partial<PgcellarOptions> = {}): Promise<void> {
    const { home } = stage;
    const { exitCode, stdout, stderr } = await runPgcellar(['backup', 'main'], { home, ...options });
    expect(`${stdout}${stderr}`).toMatch(words);
    expect(stderr).not.toContain('EXCEPTION');
    expect(exitCode).toBe(1);
    const listed = JSON.parse((await runPgcellar(['-f', 'json', 'list-backups', 'main'], { home })).stdout) as {
      main: readonly { backup_id: string; status: string }[];
    };
    expect(listed.main[0]?.status).toBe('FAILED');
    expect(await everything()).toBe(before);
    await runPgcellar(['delete', 'main', listed.main[0]?.backup_id ?? ''], { home });
  }

  const escapes = [
    ['folders above the backup', String.raw`d 777 0 0 1795000000.0 ../../../../ESCAPED\0d 777 0 0 1795000000.0 ../../../../\0`],
    ['an absolute path', String.raw`d 777 0 0 1795000000.0 /tmp\0`],
    ['a file of an older backup', String.raw`f 600 5 0 1795000000.0 ../../GOOD/data/PG_VERSION\0`],
    ['a file twice, once as it was', String.raw`f 600 9 0 1795000000.0 PG_VERSION\0`],
    ['a file below a file', String.raw`f 600 5 0 1795000000.0 PG_VERSION/x\0`],
    ['a file below a link', String.raw`l 777 5 0 1795000000.0 link\0f 600 5 0 1795000000.0 link/x\0`],
    ['an absurd time and mode', String.raw`f 99999 5 0 noon x\0`],
  ] as const;
  test.each(escapes)('whose find adds %s', async (_, entries) => {
    await pretend('find', `"$REAL" "$@"; printf '${entries.replace('GOOD', goodId)}'`);
    await expectRefused(/cannot list .* on \S+: find reported /);
  });

  test('whose find does not end', async () => {
    await pretend('find', `"$REAL" "$@"; exec tr '\\0' x < /dev/zero`);
    await expectRefused(/find reported an entry that does not end/);
  });

  test('whose rsync speaks without end', async () => {
    await pretend('find', 'exec "$REAL" "$@"');
    await pretend('rsync', 'exec yes "$(printf "\\033[31mPostgreSQL: OK")"');
    await expectRefused(/rsync failed/);
    await pretend('rsync', 'exec "$REAL" "$@"');
  });

  test('whose stat says nonsense of a configuration file', async () => {
    await pretend('stat', 'echo "rwx yesterday"');
    await expectRefused(/stat gave no usable answer|cannot read/);
    await pretend('stat', 'exec "$REAL" "$@"');
  });

  test('is backed up when it behaves again', async () => {
    await backUpByRsync({ ...stage, sshd });
    expect(await everything()).toBe(before);
    expect((await readdir(stage.home.folder)).filter((name) => name.includes('ESCAPED'))).toEqual([]);
    expect((await stat(stage.home.folder)).mode & 0o777).toBe(0o755);
    expect(await readFile(stage.home.server('main', 'base', goodId, 'data', 'PG_VERSION'), 'utf8')).toBe('18\n');
  });
});
