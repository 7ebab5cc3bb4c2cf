// Every check fails once, for a reason that was made, and passes after the steps that doctor prints for it were taken, by the letter.
import { chmod, copyFile, cp, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noteHeldArrivals } from '../../src/catalog/wal/stuck-arrivals.ts';
import { allChecks, checkTimeout } from '../../src/check/all-checks.ts';
import { archivedWals } from '../helpers/archived-wals.ts';
import { createGpgHome } from '../helpers/gpg-home.ts';
import { requirePostgres } from '../helpers/installations.ts';
import { layoutOf } from '../helpers/layout-of.ts';
import { mend, type PrintedStep } from '../helpers/mend.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { canMount } from '../helpers/small-file-system.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { startStandby } from '../helpers/start-standby.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { backupOf, serverFrom, storeBackups } from '../unit/check/check-setup.ts';

const major = 18;
const opened = new Opened();
let cluster: PostgresServer;
let other: PostgresServer;
let home: TestHome;

/** One case: how the check is made to fail on the healthy server, and what stands for `…` in its remedy. */
interface Case {
  readonly name: string;
  readonly section?: () => IniSection;
  readonly breaks?: () => Promise<void>;
  readonly blank?: string;
  readonly env?: () => NodeJS.ProcessEnv;
  /** A folder that the check does not see. */
  readonly hides?: string;
  readonly sshd?: () => Sshd;
  /** The home folder on the host of PostgreSQL. */
  readonly hostHome?: () => string;
  /** What has to be undone for the next case. */
  readonly restores?: () => Promise<void>;
  readonly onCluster?: () => PostgresServer;
  /** What a note of the remedy leaves to a person. */
  readonly byHand?: () => Promise<void>;
}

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major, hba: ['host all,replication kept_out all reject'] }));
  other = await opened.add(startCluster({ major, uniqueSystemId: true }));
  home = await opened.add(createTestHome({ servers: { main: healthy() } }));
  await startReceiver(home, cluster);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', 'main'], { home });
  await cluster.query('CREATE ROLE plain LOGIN; CREATE ROLE plain_monitor LOGIN; CREATE ROLE "odd name" LOGIN');
});
afterAll(() => opened.close());

const healthy = (more: IniSection = {}): IniSection => streamingServer(cluster, more);
const conninfo = (server: PostgresServer, words: string): string => `host=127.0.0.1 port=${String(server.port)} ${words}`;

/** A failed check as `doctor -f json` prints it. */
interface Failure {
  readonly check: string;
  readonly remedy: string;
  readonly cause: string;
  readonly steps: readonly PrintedStep[];
}

async function failures({ env, hides }: Pick<Case, 'env' | 'hides'>): Promise<readonly Failure[]> {
  const doctor = [await programPath(home), '-c', home.configFile, '-f', 'json', 'doctor', 'main'];
  // a folder in whose place doctor sees an empty one
  const argv =
    hides === undefined ? doctor : ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$0"; exec "$@"', hides, ...doctor];
  const { stdout, stderr } = await runProgram(argv, settingsOf({ home, ...(env === undefined ? {} : { env: env() }) }));
  try {
    return (JSON.parse(stdout) as { main: { failed_checks: readonly Failure[] } }).main.failed_checks; // docs/schemas/doctor.json
  } catch (error) {
    throw new Error(`doctor printed ${stdout}${stderr}`, { cause: error });
  }
}

async function failureOf({ name, ...how }: Case): Promise<Failure | undefined> {
  const { name: shown, failureName = shown } = allChecks.find((check) => check.name === name)!;
  return (await failures(how)).find(({ check }) => check === failureName);
}

/** Mends until the check passes: what one remedy lays bare, the next one mends. */
async function mendUntilItPasses(failing: Case): Promise<readonly string[]> {
  const { section, onCluster, blank, env, sshd, hostHome } = failing;
  const around = {
    home,
    serverName: 'main',
    section: section?.() ?? healthy(),
    cluster: onCluster?.() ?? cluster,
    ...(blank === undefined ? {} : { blank }),
    ...(env === undefined ? {} : { env: env() }),
    ...(sshd === undefined ? {} : { sshd: sshd() }),
    ...(hostHome === undefined ? {} : { hostHome: hostHome() }),
  };
  const keys: string[] = [];
  for (let failure = await failureOf(failing); failure !== undefined; failure = await afterAWhile(failing, failure)) {
    const { remedy, cause, steps } = failure;
    expect(keys).not.toContain(remedy); // the same one again would be no remedy
    expect(JSON.stringify([cause, steps])).not.toMatch(/\{[a-zA-Z]+\}/);
    expect(allChecks.find(({ name }) => name === failing.name)?.remedies).toContain(remedy);
    keys.push(remedy);
    await mend(steps, around);
    await failing.byHand?.();
  }
  return keys;
}

/**
 * What a remedy started in the background needs a moment: a failure with the same remedy is looked at until it is gone, and one with
 * another only counts when it is still there a while later.
 */
async function afterAWhile(failing: Case, before: Failure): Promise<Failure | undefined> {
  let earlier: string | undefined;
  const [left] = await waitFor(
    `${failing.name} no longer fails as it did`,
    async () => {
      const now = await failureOf(failing);
      const key = now?.remedy;
      if (key === undefined) return [];
      const isSettled = key !== before.remedy && key === earlier;
      earlier = key;
      return isSettled ? [now] : undefined;
    },
    { everyMs: 2000, timeoutMs: 30_000, explain: () => JSON.stringify(before) },
  );
  return left;
}

/** Names of the checks that have a case. */
const covered = new Set<string>();

/** @param cases by the remedies that are named one after the other; what stands in brackets behind them tells cases apart */
function mendsItself(cases: Readonly<Record<string, Case>>): void {
  for (const [title, failing] of Object.entries(cases)) {
    const expected = title.replace(/ \(.*\)$/, '');
    covered.add(failing.name);
    test(`${failing.name}: ${expected}`, async () => {
      await home.writeServer('main', failing.section?.() ?? healthy());
      await failing.breaks?.();
      try {
        expect(await failureOf(failing)).toBeDefined();
        expect((await mendUntilItPasses(failing)).join(', ')).toBe(expected);
      } finally {
        await failing.restores?.();
        await home.writeServer('main', healthy());
      }
    });
  }
}

const inCatalog = (...below: readonly string[]): string => home.server('main', ...below);

async function anArchivedSegment(): Promise<{ name: string; path: string }> {
  const folder = (await readdir(inCatalog('wals'))).find((name) => /^[0-9A-F]{16}$/.test(name))!;
  const name = (await readdir(inCatalog('wals', folder))).toSorted()[0]!;
  return { name, path: inCatalog('wals', folder, name) };
}

async function copyOfSegmentInto(folder: string): Promise<void> {
  const { name, path } = await anArchivedSegment();
  await mkdir(inCatalog(folder), { recursive: true });
  await cp(path, inCatalog(folder, name));
}

test('check timeout: check-slow', async () => {
  const section = healthy({ check_timeout: 1 });
  await home.writeServer('main', section);
  process.kill(cluster.pid, 'SIGSTOP'); // takes no connection
  try {
    const failure = (await failures({})).find(({ check }) => check === checkTimeout.name);
    expect(failure?.remedy).toBe('check-slow');
    setTimeout(() => process.kill(cluster.pid, 'SIGCONT'), 2000);
    await mend(failure!.steps, { home, serverName: 'main', section, cluster });
    expect(await failures({})).toEqual([]);
  } finally {
    process.kill(cluster.pid, 'SIGCONT');
    await home.writeServer('main', healthy());
  }
});

describe('the catalog', () => {
  mendsItself({
    'channel-off': { name: 'empty incoming directory', breaks: () => copyOfSegmentInto('incoming') },
    'queue-long': {
      name: 'incoming WALs directory',
      section: () => healthy({ archiver: 'on', max_incoming_wals_queue: 0 }),
      breaks: () => copyOfSegmentInto('incoming'),
    },
    'channel-off (streaming)': {
      name: 'empty streaming directory',
      section: () => healthy({ streaming_archiver: 'off', archiver: 'on' }),
      breaks: () => copyOfSegmentInto('streaming'),
    },
    'queue-long (streaming)': {
      name: 'streaming WALs directory',
      section: () => healthy({ max_incoming_wals_queue: 0 }),
      breaks: () => copyOfSegmentInto('streaming'),
    },
    'folder-blocked': {
      name: 'directories',
      section: () => healthy({ errors_directory: join(home.folder, 'blocked', 'errors') }),
      breaks: () => home.writeFile('blocked', 'a file'),
    },
    'policy-unreadable': { name: 'retention policy settings', section: () => healthy({ retention_policy: 'for ever' }) },
    'backup-small': { name: 'backup minimum size', section: () => healthy({ last_backup_minimum_size: '1Ti' }) },
    'backups-few': { name: 'minimum redundancy requirements', section: () => healthy({ minimum_redundancy: 2 }) },
    'backup-old': {
      name: 'backup maximum age',
      section: () => healthy({ last_backup_maximum_age: '1 HOUR' }),
      breaks: async () => {
        const meta = inCatalog('meta');
        for (const name of (await readdir(meta)).filter((file) => file.endsWith('-backup.info'))) {
          const text = await readFile(join(meta, name), 'utf8');
          await writeFile(join(meta, name), text.replace(/^end_time=.*$/m, 'end_time=2020-01-01 00:00:00+00:00'));
        }
      },
    },
    'wal-old': {
      name: 'wal maximum age',
      section: () => healthy({ last_wal_maximum_age: '1 HOUR' }),
      breaks: async () => {
        const index = inCatalog('wals', 'main-xlog.db');
        await writeFile(index, (await readFile(index, 'utf8')).replaceAll(/\t(\d+)\t[\d.]+\t/g, '\t$1\t1577836800.0\t'));
      },
    },
    'wal-index-broken': {
      name: 'wal size',
      breaks: () => writeFile(inCatalog('wals', 'main-xlog.db'), 'what is this\n'),
    },
    'backups-failed': {
      name: 'failed backups',
      breaks: async () => {
        const server = serverFrom(home.configFile, 'main', home.env());
        await storeBackups(server, [
          backupOf('20200101T000000', { status: 'FAILED' }),
          backupOf('20200102T000000', { status: 'FAILED' }),
        ]);
      },
    },
    'record-broken': {
      name: 'backup records',
      breaks: async () => {
        const name = (await readdir(inCatalog('meta'))).find((file) => file.endsWith('-backup.info'))!;
        await writeFile(inCatalog('meta', name), 'no record');
      },
    },
    'record-lost': {
      name: 'backup records',
      breaks: () => writeFile(inCatalog('meta', '20200103T000000-backup.info'), 'no record'),
    },
    'wal-refused': {
      name: 'archiver errors',
      breaks: async () => {
        await mkdir(inCatalog('errors.seen'), { recursive: true });
        for (const name of ['a.1.duplicate', 'b c.1.unknown']) await writeFile(inCatalog('errors', name), '');
      },
    },
    'wal-lost': {
      name: 'WAL continuity',
      breaks: async () => {
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
        const index = inCatalog('wals', 'main-xlog.db');
        const lines = (await readFile(index, 'utf8')).trimEnd().split('\n');
        const lost = lines.filter((line) => /^[0-9A-F]{24}\t/.test(line)).at(-2)!;
        await writeFile(
          index,
          lines
            .filter((line) => line !== lost)
            .map((line) => `${line}\n`)
            .join(''),
        );
        const name = lost.split('\t')[0]!;
        await rm(inCatalog('wals', name.slice(0, 16), name));
      },
    },
    'wal-files-lost': {
      name: 'WAL files',
      breaks: async () => {
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
        const lost = (await archivedWals(home)).filter((name) => /^[0-9A-F]{24}$/.test(name)).at(-2)!;
        await rm(inCatalog('wals', lost.slice(0, 16), lost));
      },
    },
    'wal-file-spoiled': {
      name: 'WAL files',
      breaks: async () => {
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
        const spoiled = (await archivedWals(home)).filter((name) => /^[0-9A-F]{24}$/.test(name)).at(-1)!;
        await writeFile(inCatalog('wals', spoiled.slice(0, 16), spoiled), '');
      },
    },
    'arrivals-stuck': {
      name: 'WAL arrivals',
      section: () => healthy({ archiver: 'on' }),
      breaks: async () => {
        const waits = (await archivedWals(home)).filter((name) => /^[0-9A-F]{24}$/.test(name)).at(-1)!;
        await copyFile(inCatalog('wals', waits.slice(0, 16), waits), inCatalog('incoming', waits));
        const tenMinutesAgo = new Date(Date.now() - 600_000);
        await utimes(inCatalog('incoming', waits), tenMinutesAgo, tenMinutesAgo);
        const held = [{ name: waits, reason: 'zstd was not found' }];
        await noteHeldArrivals(layoutOf(home, 'main'), 'incoming', held, tenMinutesAgo);
      },
    },
    'backup-files-lost': {
      name: 'backup files',
      breaks: async () => {
        const [id = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
        await rm(inCatalog('base', id), { recursive: true });
      },
      restores: async () => {
        await runWell(['backup', '--wait', 'main'], { home });
      },
    },
  });
});

describe('the configuration', () => {
  mendsItself({
    'configuration-wrong': { name: 'configuration', section: () => without(healthy(), 'slot_name') },
    'option-unavailable': { name: 'unavailable options', section: () => healthy({ worm_mode: 'on' }) },
    'store-unavailable': {
      name: 'cloud storage configuration',
      section: () => healthy({ basebackups_directory: 's3://bucket/prefix' }),
    },
    'filter-missing': { name: 'compression settings', section: () => healthy({ compression: 'custom' }), blank: 'cat' },
    'encryption-incomplete': {
      name: 'encryption',
      section: () => healthy({ encryption: 'gpg' }),
      blank: 'wal@example.org',
      env: () => ({ GNUPGHOME: gpgHome }),
    },
  });

  let gpgHome = '';
  beforeAll(async () => {
    gpgHome = (await opened.add(createGpgHome())).path;
  });
});

/** The section with an option that the remedy of an unavailable one comments out. */
function without(section: IniSection, key: string): IniSection {
  return Object.fromEntries(Object.entries(section).filter(([name]) => name !== key));
}

describe('PostgreSQL', () => {
  mendsItself({
    'not-let-in, password-wrong': {
      name: 'PostgreSQL',
      section: () => healthy({ conninfo: conninfo(cluster, 'user=kept_out dbname=postgres') }),
      breaks: async () => {
        await cluster.query('CREATE ROLE kept_out LOGIN');
        await writeFile(join(home.userHome, '.pgpass'), '*:*:*:kept_out:secret\n', { mode: 0o600 });
      },
      blank: 'secret',
    },
    'database-missing': {
      name: 'PostgreSQL',
      section: () => healthy({ conninfo: conninfo(cluster, 'user=barman dbname=nowhere') }),
    },
    'backup-functions': {
      name: 'superuser or standard user with backup privileges',
      section: () => healthy({ conninfo: conninfo(cluster, "user='odd name' dbname=postgres") }),
    },
    'no-replication-right': {
      name: 'PostgreSQL streaming',
      section: () => healthy({ streaming_conninfo: conninfo(cluster, 'user=plain') }),
    },
    'monitoring-functions': {
      name: 'has monitoring privileges (WAL streaming)',
      section: () =>
        healthy({
          wal_conninfo: conninfo(cluster, 'user=plain_monitor dbname=postgres'),
          wal_streaming_conninfo: conninfo(cluster, 'user=streaming_barman'),
        }),
    },
    'connections-differ': {
      name: 'systemid coherence',
      section: () => healthy({ streaming_conninfo: conninfo(other, 'user=streaming_barman') }),
    },
    'primary-conninfo-needless': {
      name: 'PostgreSQL server is standby',
      section: () => healthy({ primary_conninfo: conninfo(cluster, 'user=barman dbname=postgres') }),
    },
    'slot-missing, slot-other': {
      name: 'replication slot',
      section: () => healthy({ slot_name: 'another_slot' }),
      restores: stopReceivers,
    },
  });
});

describe('another server', () => {
  const there = (more: IniSection = {}): IniSection =>
    healthy({
      conninfo: conninfo(other, 'user=barman dbname=postgres'),
      streaming_conninfo: conninfo(other, 'user=streaming_barman'),
      streaming_archiver: 'off',
      archiver: 'on',
      ...more,
    });
  const walThere = (more: IniSection = {}): IniSection =>
    healthy({
      wal_conninfo: conninfo(other, 'user=barman dbname=postgres'),
      wal_streaming_conninfo: conninfo(other, 'user=streaming_barman'),
      ...more,
    });
  const set = async (settings: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, value] of Object.entries(settings)) await other.query(`ALTER SYSTEM SET ${name} = '${value}'`);
    await other.restart();
  };
  const onCluster = (): PostgresServer => other;
  const reset = async (): Promise<void> => {
    await other.query('ALTER SYSTEM RESET ALL');
    await other.restart();
  };
  const incoming = (): string => inCatalog('incoming');
  const openIncoming = async (): Promise<void> => {
    await mkdir(incoming(), { recursive: true });
    await chmod(incoming(), 0o777);
  };

  mendsItself({
    'wal-level-minimal': {
      name: 'wal_level',
      section: there,
      breaks: () => set({ wal_level: 'minimal', max_wal_senders: '0', archive_mode: 'off' }),
      restores: reset,
      onCluster,
    },
    'wal-level-minimal (WAL streaming)': {
      name: 'wal_level (WAL streaming)',
      section: walThere,
      breaks: () => set({ wal_level: 'minimal', max_wal_senders: '0', archive_mode: 'off' }),
      restores: reset,
      onCluster,
    },
    'archive-mode-off': { name: 'archive_mode', section: there, restores: reset, onCluster },
    'archive-command-missing': {
      name: 'archive_command',
      section: there,
      breaks: () => set({ archive_mode: 'on' }),
      restores: reset,
      onCluster,
    },
    'archive-command-fails': {
      name: 'continuous archiving',
      // a catalog of its own: that of `main` holds another cluster
      section: () =>
        there({ backup_directory: join(home.folder, 'catalog of the other'), incoming_wals_directory: incoming() }),
      breaks: async () => {
        await openIncoming();
        await set({ archive_mode: 'on', archive_command: 'false' });
        await other.query("SELECT pg_logical_emit_message(true, 'test', ''), pg_switch_wal()");
        await waitFor('archiving fails', async () => (await other.value('SELECT failed_count FROM pg_stat_archiver')) !== '0');
      },
      restores: async () => {
        await reset();
        await rm(incoming(), { recursive: true });
      },
      onCluster,
    },
  });
});

describe('a standby', () => {
  let standby: PostgresServer;
  beforeAll(async () => {
    standby = await opened.add(startStandby(cluster));
  });
  const nodes = (...ports: readonly number[]): string =>
    `host=${ports.map(() => '127.0.0.1').join(',')} port=${ports.join(',')} user=barman dbname=postgres`;
  const switches = (): string => inCatalog('.pgcellar', 'switches.json');
  const ofStandby = (more: IniSection = {}): IniSection => healthy({ conninfo: standby.conninfo({ user: 'barman' }), ...more });

  mendsItself({
    'cluster-not-followed': {
      name: 'cluster followed',
      section: () => healthy({ conninfo: nodes(standby.port, 1) }),
      byHand: async () => {
        await home.writeServer('main', healthy({ conninfo: nodes(standby.port, cluster.port) })); // the primary runs again
      },
    },
    'switch-lost-wal': {
      name: 'cluster losses',
      section: () => healthy({ conninfo: nodes(cluster.port, standby.port) }),
      breaks: async () => {
        const lost = { at: '2026-11-30T12:00:00.000Z', from: 'a:1', to: 'b:2', old_timeline: 1, new_timeline: 2 };
        const rest = { fork_lsn: '0/3000000', held_lsn: '0/3000100', lost_bytes: 256, gone_segments: [] };
        await writeFile(switches(), JSON.stringify([{ ...lost, ...rest }]));
        // the remedy takes a backup
        await runWell(['receive-wal', '--create-slot', '--if-not-exists', 'main'], { home });
        await startReceiver(home, cluster);
      },
      restores: async () => await rm(switches(), { force: true }),
    },
    'connections-differ (of one cluster)': { name: 'connection strings', section: () => ofStandby() },
    'primary-conninfo-wrong': {
      name: 'Primary server is not a standby',
      section: () => ofStandby({ primary_conninfo: standby.conninfo({ user: 'barman' }) }),
    },
    'primary-conninfo-wrong (of another cluster)': {
      name: 'Primary and standby have same system ID',
      section: () => ofStandby({ primary_conninfo: other.conninfo({ user: 'barman' }) }),
    },
    'exclusive-impossible': {
      name: 'not in recovery',
      section: () => ofStandby({ backup_method: 'local-rsync', backup_options: 'exclusive_backup' }),
    },
  });
});

describe('a server that WAL comes from', () => {
  const from = (server: PostgresServer, more: IniSection = {}): IniSection =>
    healthy({
      wal_conninfo: conninfo(server, 'dbname=postgres user=barman'), // another text than conninfo
      wal_streaming_conninfo: conninfo(server, 'user=streaming_barman'),
      ...more,
    });

  mendsItself({
    'stream-not-let-in': {
      name: 'PostgreSQL streaming (WAL streaming)',
      section: () => from(cluster, { wal_streaming_conninfo: conninfo(cluster, 'user=streamer') }),
      breaks: async () => {
        await cluster.query('CREATE ROLE streamer LOGIN REPLICATION');
        const file = join(cluster.dataDir, 'pg_hba.conf');
        await writeFile(file, `host replication streamer all reject\n${await readFile(file, 'utf8')}`);
        await cluster.query('SELECT pg_reload_conf()');
        await writeFile(join(home.userHome, '.pgpass'), '*:*:*:streamer:secret\n', { mode: 0o600 });
        await cluster.query("ALTER ROLE streamer PASSWORD 'secret'");
      },
    },
    'connections-differ': {
      name: 'systemid coherence (WAL streaming)',
      section: () => from(cluster, { wal_streaming_conninfo: conninfo(other, 'user=streaming_barman') }),
    },
    'slot-missing': {
      name: 'replication slot (WAL streaming)',
      section: () => from(cluster, { slot_name: 'slot_of_source' }),
      breaks: stopReceivers,
      restores: stopReceivers,
    },
  });
});

describe('the host of PostgreSQL', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    const startUp = await home.makeFolder('login');
    sshd = await opened.add(startSshd({ env: { HOME: startUp, SHLVL: '0' } }));
  });
  const shellHome = (): string => join(home.folder, 'login');
  const byRsync = (more: IniSection = {}): IniSection =>
    healthy({ backup_method: 'rsync', ssh_command: sshd.sshCommand, ...more });
  const emptyKnownHosts = (): string => join(home.folder, 'no known hosts');

  mendsItself({
    'ssh-not-listening': { name: 'ssh', section: byRsync, breaks: async () => await sshd.stop(), sshd: () => sshd },
    'ssh-host-unknown': {
      name: 'ssh',
      section: () => {
        const command = sshd.sshCommand.replace(sshd.knownHostsFile, `'"${emptyKnownHosts()}"'`);
        return byRsync({ ssh_command: command });
      },
    },
    'ssh-noisy': {
      name: 'ssh output clean',
      section: byRsync,
      breaks: async () => await writeFile(join(shellHome(), '.bashrc'), 'echo Welcome\n'),
      hostHome: shellHome,
    },
    'label-left': {
      name: 'backup_label',
      section: () => byRsync({ conninfo: conninfo(other, 'user=barman dbname=postgres') }),
      breaks: async () => {
        const server = serverFrom(home.configFile, 'main', home.env());
        await storeBackups(server, [backupOf(lastOfAll, { pgdata: other.dataDir })]);
        await other.stop();
        await writeFile(join(other.dataDir, 'backup_label'), 'START WAL LOCATION: 0/0\n');
      },
      restores: async () => {
        await rm(inCatalog('meta', `${lastOfAll}-backup.info`));
        await rm(inCatalog('base', lastOfAll), { recursive: true, force: true });
        await other.start();
      },
      hostHome: shellHome,
    },
    'pgdata-unreadable': {
      name: 'local PGDATA',
      section: () => healthy({ backup_method: 'local-rsync', conninfo: conninfo(other, 'user=barman dbname=postgres') }),
      breaks: async () => await rename(other.dataDir, `${other.dataDir}.elsewhere`), // PostgreSQL itself works below its own folder
      restores: async () => await rename(`${other.dataDir}.elsewhere`, other.dataDir),
    },
  });

  const lastOfAll = '20990101T000000';
});

describe('this host', () => {
  mendsItself({
    'exclusive-impossible': {
      name: 'exclusive backup supported',
      section: () => healthy({ backup_method: 'local-rsync', backup_options: 'exclusive_backup' }),
    },
    'receiver-stopped': { name: 'receive-wal running', breaks: stopReceivers },
    'first-segment-streamed': {
      name: 'WAL archive',
      section: () => healthy({ backup_directory: join(home.folder, 'new catalog') }),
      breaks: stopReceivers,
      restores: stopReceivers,
    },
    'util-linux-missing': {
      name: 'programs',
      breaks: async () => {
        const bin = await home.makeFolder('no-util-linux');
        for (const folder of ['/bin', '/usr/bin', cluster.clientsDir]) {
          for (const name of await readdir(folder)) {
            if (!['flock', 'setpriv'].includes(name)) await linkIfNew(join(folder, name), join(bin, name));
          }
        }
        await standInForApt(bin, 'util-linux', `ln -s /usr/bin/flock /usr/bin/setpriv '${bin}'`);
      },
      env: () => ({ PATH: join(home.folder, 'no-util-linux') }),
    },
  });
});

describe.skipIf(!(await canMount()))('a host that has other client programs than PostgreSQL needs, or none', () => {
  mendsItself({
    'client-missing': noClients('pg_basebackup', 'b'),
    'client-missing (of receivers)': noClients('pg_receivexlog', 'r'),
    'client-old': oldClients('pg_basebackup compatible', 'b'),
    'client-old (of receivers)': oldClients('pg_receivexlog compatible', 'r'),
  });
});

test('every check but one that cannot fail is made to fail and mended', () => {
  const cannotFail = allChecks.filter(({ remedies }) => remedies.length === 0).map(({ name }) => name);
  expect([...covered, ...cannotFail].toSorted()).toEqual(allChecks.map(({ name }) => name).toSorted());
});

/** No program of PostgreSQL is found, until the package is installed. */
function noClients(name: string, folder: string): Case {
  return {
    name,
    section: () => without(healthy(), 'path_prefix'),
    breaks: async () => {
      await standInForApt(await home.makeFolder(folder), 'postgresql-client-18', installs(folder));
    },
    hides: '/usr/lib/postgresql',
    env: () => pathFrom(folder),
  };
}

/** The programs of an older release are found, until the package is installed. */
function oldClients(name: string, folder: string): Case {
  const { breaks, ...rest } = noClients(name, `old-${folder}`);
  return {
    ...rest,
    breaks: async () => {
      await breaks?.();
      const { clientsDir } = requirePostgres(17);
      for (const program of ['pg_basebackup', 'pg_receivewal']) {
        await symlink(join(clientsDir, program), join(home.folder, `old-${folder}`, program));
      }
    },
  };
}

const installs = (folder: string): string =>
  `ln -sf '${cluster.clientsDir}'/pg_basebackup '${cluster.clientsDir}'/pg_receivewal '${join(home.folder, folder)}'`;

const pathFrom = (folder: string): NodeJS.ProcessEnv => ({
  PATH: [join(home.folder, folder), join(process.execPath, '..'), '/usr/bin', '/bin', '/sbin'].join(':'),
});

/** An `apt-get` that knows one package: what installing it would do. */
async function standInForApt(folder: string, packageName: string, does: string): Promise<void> {
  const script = `#!/bin/sh\n[ "$*" = 'install -y ${packageName}' ] || exit 100\n${does}\n`;
  await rm(join(folder, 'apt-get'), { force: true });
  await writeFile(join(folder, 'apt-get'), script, { mode: 0o755 });
}

async function linkIfNew(target: string, path: string): Promise<void> {
  try {
    await symlink(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // /bin is /usr/bin on many systems
  }
}

/** A slot of its own per receiver: the one that holds the lock goes, so that the next `cron` starts the right one. */
async function stopReceivers(): Promise<void> {
  await runPgcellar(['receive-wal', '--stop', 'main'], { home });
}
