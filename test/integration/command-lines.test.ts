// One home that the real Barman made, and more than sixty command lines that both programs are given: they answer alike, or in a way that
// docs/differences-from-barman.md lists.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import { mistakesIn } from '../helpers/json-schema.ts';
import { type ListedDifference, listedDifferences } from '../helpers/listed-differences.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { withoutNews } from '../helpers/without-news.ts';

/** Lines that both answer alike, but for a second line with a hint. */
const alike: readonly string[] = [
  'list-servers',
  'list-servers --minimal',
  'list-server',
  '-f json list-servers',
  '-q list-servers',
  'show-servers main',
  'show-server main',
  'show-servers copy',
  'show-servers nobody',
  'show-servers main nobody',
  '-f json show-servers main',
  'status main',
  '-f json status main',
  'status nobody',
  'check main',
  'check nobody',
  'check --nagios main',
  '-f json check main',
  'list-backups main',
  'list-backups main main',
  'list-backups --minimal main',
  'list-backup main',
  'list-backups copy',
  'list-backups nobody',
  '-f json list-backups main',
  'show-backup main latest',
  'show-backup main oldest',
  'show-backup main weekly',
  'show-backup main last-failed',
  'show-backup main 20200101T000000',
  'show-backup nobody latest',
  '-f json show-backup main first',
  'list-files main latest',
  'list-files --target wal main oldest',
  'list-files --target data main nightly',
  'list-files --target standalone main oldest',
  'list-files --target full main nightly',
  '-f json list-files main last',
  'keep --status main weekly',
  'keep --status main nightly',
  'keep main weekly',
  'keep --target full main nobody',
  '-f json keep --status main nightly',
  'check-backup main latest',
  'check-backup main 20200101T000000',
  'verify-backup main latest',
  'replication-status main',
  'replication-status --minimal main',
  'replication-status --target hot-standby main',
  '-f json replication-status main',
  'delete main 20200101T000000',
  'get-wal main 0000000100000000000000FF',
  'get-wal --peek 3 main 000000010000000000000001',
  'get-wal nobody 000000010000000000000001',
  'backup idle',
  'backup copy',
  'backup nobody',
  'restore main nothing /nonexistent/x',
  'switch-wal idle',
  'switch-wal nobody',
  'archive-wal main',
  'archive-wal idle',
  'archive-wal nobody',
  'receive-wal nobody',
  'receive-wal --stop main',
  'config-switch main nomodel',
  'config-switch main --reset',
  "config-update '[]'",
  'rebuild-xlogdb main',
  'check-wal-archive main',
  'lock-directory-cleanup',
  'put-wal nobody',
  'get-wal main nonsense',
  'restore --target-xid 1 --target-name x main latest /nonexistent/x',
  'receive-wal main',
  '-q show-backup main latest',
  '-q check main',
  '-q check nobody',
  '-q check --nagios main',
  '-q list-backups --minimal main',
  '-q show-backup main 20200101T000000',
  '-q get-wal --peek 3 main 000000010000000000000001',
  '-q archive-wal main',
  '-q -f json list-servers',
  '-q -f json show-backup main 20200101T000000',
  '--log-level ERROR list-servers',
  '--color always list-backups main',
  '--color never check main',
];

const different: Readonly<Record<string, ListedDifference>> = {
  'show-servers': 'usageLine',
  'show-backup main': 'usageLine',
  'list-files --target nothing main latest': 'usageLine',
  'delete main nightly': 'errorText',
  delete: 'usageLine',
  'backup --reuse-backup=sometimes main': 'errorText',
  'backup --name latest main': 'usageLine',
  'backup --jobs 0 main': 'usageLine',
  'restore main latest': 'usageLine',
  'restore --target-action dance main latest /nonexistent/x': 'errorText',
  'restore --target-time nonsense main latest /nonexistent/x': 'refusedBefore',
  'restore --target-time 2000-01-01 main latest /nonexistent/x': 'refusedBefore',
  'restore --target-action shutdown main latest /nonexistent/x': 'refusedBefore',
  'cron --nonsense': 'errorText',
  'config-update nonsense': 'errorText',
  'generate-manifest main latest': 'errorText',
  frobnicate: 'errorText',
  '-f xml list-servers': 'usageLine',
  '-c /nonexistent list-servers': 'errorText',
  '--log-level error list-servers': 'usageLine',
  '--color sometimes list-servers': 'usageLine',
  '-d list-servers': 'debugMessages',
  '-d status main': 'debugMessages',
  '-d check main': 'debugMessages',
  '-d show-backup main latest': 'debugMessages',
  '-d list-files main oldest': 'debugMessages',
  '-d archive-wal main': 'debugMessages',
  '-d replication-status main': 'debugMessages',
  '-d show-backup main 20200101T000000': 'debugMessages',
  '-d -q list-servers': 'debugMessages',
  '-d -f json list-backups main': 'debugMessages',
  '-d -f json check main': 'debugMessages',
  '-d -f json status main': 'debugMessages',
  '-d -f json archive-wal main': 'debugMessages',
  'sync-info main': 'notYet',
  'sync-backup main latest': 'notYet',
  'status idle': 'inactive',
  'list-backups idle': 'inactive',
  'check idle': 'inactive',
};

test('every difference that is allowed for stands in the documentation', async () => {
  const page = await readFile(new URL('../../docs/differences-from-barman.md', import.meta.url), 'utf8');
  for (const words of Object.values(listedDifferences)) expect(page).toContain(words);
  expect(new Set(Object.values(different))).toEqual(new Set(Object.keys(listedDifferences)));
});

describeWithOracle('on one home that the real Barman made', () => {
  const opened = new Opened();
  let home: TestHome;

  beforeAll(async () => {
    const settings = { archive_mode: 'on', archive_command: 'true' };
    const cluster = await opened.add(startCluster({ major: 15, settings }));
    home = await opened.add(createTestHome({ global: { compression: '' } }));
    await makeHome(home, cluster);
  });
  afterAll(() => opened.close());

  const ask = async (line: string): Promise<readonly [ProgramResult, ProgramResult]> => {
    const words = line.split(' ').map((word) => word.replaceAll("'", ''));
    return await Promise.all([runPgcellar(words, { home, as: 'barman' }), runOracle(words, { home })]);
  };

  test.each(['show-servers', 'status', 'check', 'list-backups', 'replication-status'])(
    '%s of a live server is as its schema says',
    async (verb) => {
      const { stdout } = await runPgcellar(['-f', 'json', verb, 'main'], { home });
      expect(mistakesIn(verb, JSON.parse(stdout))).toEqual([]);
    },
  );

  test('there are more than sixty of them', () => {
    expect(alike.length + Object.keys(different).length).toBeGreaterThan(60);
  });

  test.each(alike)('%s', async (line) => {
    for (let attempt = 1; ; attempt++) {
      const [mine, real] = (await ask(line)).map((result) => withoutNews(comparable(result)));
      // what a live server tells may move between the two
      if (attempt < 3 && JSON.stringify(mine) !== JSON.stringify(real)) continue;
      expect(mine).toEqual(real);
      return;
    }
  });

  test.each(Object.entries(different))('%s (listed: %s)', async (line, difference) => {
    const [mine, real] = await ask(line);
    // a line that is answered alike by now has no place in the list
    expect(withoutNews(comparable(mine))).not.toEqual(withoutNews(comparable(real)));
    switch (difference) {
      case 'errorText':
        expect(mine.exitCode).toBe(real.exitCode);
        expect(mine.stdout).toBe(real.stdout);
        expect(kindOf(mine)).toBe(kindOf(real));
        break;
      case 'usageLine':
        expect(mine).toMatchObject({ exitCode: 2, stdout: real.stdout });
        expect(mine.stderr).toMatch(/^usage: barman /);
        expect(lastLine(mine.stderr)).toBe(lastLine(real.stderr));
        break;
      case 'debugMessages':
        expect(withoutNews(comparable(withoutDebug(mine)))).toEqual(withoutNews(comparable(withoutDebug(real))));
        break;
      case 'refusedBefore':
        expect(mine.exitCode).toBe(real.exitCode);
        expect(mine.stdout).toBe('');
        expect(kindOf(mine)).toBe(kindOf(real));
        expect(existsSync('/nonexistent')).toBe(false);
        break;
      case 'notYet':
        expect(mine).toMatchObject({ exitCode: 1, stdout: '' });
        expect(mine.stderr).toMatch(/^ERROR: .* is not available yet/);
        break;
      case 'inactive':
        expect(mine.exitCode).toBe(0);
        expect(mine.stdout).not.toMatch(/^Skipping|^\tPostgreSQL/m);
        break;
    }
  });
});

/** The real Barman archives, takes two backups and keeps one of them; then there are servers in other states, and a model. */
async function makeHome(home: TestHome, cluster: PostgresServer): Promise<void> {
  const more = { streaming_archiver: 'off', archiver: 'on', create_slot: 'manual', immediate_checkpoint: true };
  const server = streamingServer(cluster, more);
  await home.writeServer('main', server);
  const incoming = home.server('main', 'incoming');
  await mkdir(incoming, { recursive: true });
  await chmod(incoming, 0o777);
  await cluster.query(`ALTER SYSTEM SET archive_command = 'cp %p ${incoming}/%f.tmp && mv ${incoming}/%f.tmp ${incoming}/%f'`);
  cluster.reload();
  const run = async (...words: readonly string[]): Promise<void> => {
    const { exitCode, stdout, stderr } = await runOracle(words, { home });
    expect(exitCode, `${words.join(' ')}: ${stdout}${stderr}`).toBe(0);
  };
  const archiveSegment = async (): Promise<void> => {
    await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
    const name = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
    await waitFor(`${name} arrives`, () => existsSync(join(incoming, name)));
    await run('archive-wal', 'main');
  };
  await archiveSegment();
  for (const name of ['weekly', 'nightly']) {
    await run('backup', '--name', name, 'main');
    await archiveSegment();
    await run('check-backup', 'main', 'latest');
  }
  await run('keep', '--target', 'standalone', 'main', 'nightly');
  await home.writeServer('idle', { ...server, active: 'false' });
  await home.writeServer('copy', { primary_ssh_command: 'false', backup_method: 'postgres' });
}

/** An error of ours may have a second line; a rate has other last digits a moment later, and is a text in JSON. */
function comparable(result: ProgramResult): ProgramResult {
  const stdout = result.stdout
    .replaceAll(/(current_archived_wals_per_second"?: "?)\d\.\d{5,}/g, '$1RATE')
    .replaceAll(/\d+\.\d\d\/hour/g, 'RATE/hour');
  return { ...result, stdout, stderr: result.stderr.replaceAll(/^HINT: .*\n/gm, '') };
}

/** The answer without what `-d` adds to it. */
function withoutDebug({ stdout, stderr, ...result }: ProgramResult): ProgramResult {
  const answer = stdout.startsWith('{') ? (JSON.parse(stdout) as Record<string, unknown>) : undefined; // an object by its brace
  const kept = Object.entries(answer ?? {}).filter(([key]) => key !== '_DEBUG');
  const rest = answer === undefined ? stdout : JSON.stringify(Object.fromEntries(kept));
  return { ...result, stdout: rest, stderr: stderr.replaceAll(/^DEBUG: .*\n/gm, '') };
}

const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1);

/** How a failure begins, in the words that scripts look for; Barman has other words for a failure that nobody expected. */
function kindOf({ stderr }: ProgramResult): string | undefined {
  const kind = /^(usage|ERROR|EXCEPTION|Configuration file)\b/m.exec(stderr)?.[1];
  return kind === 'EXCEPTION' || kind === 'Configuration file' ? 'ERROR' : kind;
}
