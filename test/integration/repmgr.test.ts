// Real repmgr with the configuration that docs/high-availability.md prints: clones from the catalog, a switchover, a failover by repmgrd
// with a witness, and a new clone behind it.
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { findFreePort } from '../helpers/free-port.ts';
import { describeWithManagers, requireManagers } from '../helpers/installations.ts';
import { ManagedNode } from '../helpers/managed-node.ts';
import { Opened } from '../helpers/opened.ts';
import { pageBlock } from '../helpers/page-block.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { startTwoHosts, type TwoHosts } from '../helpers/two-hosts.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { asServerUser } from '../machine/server-user.mjs';

const page = 'high-availability.md';
const opened = new Opened();
let folder: TemporaryFolder;
let home: TestHome;
let a: ManagedNode;
let b: ManagedNode;
let c: ManagedNode;
let binDir: string;
let hosts: TwoHosts;

const conf = ({ name }: ManagedNode) => join(folder.path, `${name}.conf`);
const log = ({ name }: ManagedNode) => join(folder.path, `${name}.log`);

const endOf = (text: string): string => text.split('\n').slice(-40).join('\n');

async function logs(): Promise<string> {
  const texts = await Promise.all(
    [a, b, c].map(async (node) => `--- ${node.name}\n${endOf(await readFile(log(node), 'utf8').catch(() => ''))}`),
  );
  return [...texts, `--- pgcellar\n${endOf(await home.log())}`].join('\n');
}

async function tryAs(argv: readonly string[]): Promise<ProgramResult> {
  return await runProgram(asServerUser(argv), { env: hosts.env, cwd: folder.path });
}

/** Runs a program as the user of the servers; gives all it printed. */
async function run(argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryAs(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${String(exitCode)}\n${stdout}${stderr}\n${await logs()}`);
  return `${stdout}${stderr}`;
}

/** The commands that the page prints for a node. */
async function nodePage(firstLine: string, node: ManagedNode, upstream: ManagedNode = a): Promise<string> {
  return await pageBlock(page, firstLine, {
    '-h a -p 5432': `-h 127.0.0.1 -p ${String(upstream.port)}`,
    '/etc/repmgr.conf': conf(node),
    '/var/lib/postgresql/15/main': node.dataDir,
    '/var/log/postgresql/repmgr-start.log': log(node),
  });
}

async function runPage(firstLine: string, node: ManagedNode): Promise<string> {
  return await run(['sh', '-ec', await nodePage(firstLine, node)]);
}

async function writeConf(node: ManagedNode, id: number): Promise<void> {
  const text = await pageBlock(page, '# /etc/repmgr.conf of node b', {
    'node_id=2': `node_id=${String(id)}`,
    "node_name='b'": `node_name='${node.name}'`,
    'host=b port=5432': `host=127.0.0.1 port=${String(node.port)}`,
    '/etc/repmgr.conf': conf(node),
    '/var/lib/postgresql/15/main': node.dataDir,
    '/usr/lib/postgresql/15/bin': binDir,
    '/var/log/postgresql/repmgr-start.log': log(node),
    'barman@backup': hosts.backup,
    '-U barman': `-U ${hosts.backupUser}`,
  });
  const quick = 'monitor_interval_secs=1\nreconnect_attempts=2\nreconnect_interval=1\nprimary_follow_timeout=20\n';
  await writeFile(conf(node), `${text}${quick}`, { mode: 0o644 });
}

async function makeNode(name: string): Promise<ManagedNode> {
  const port = await findFreePort();
  return await opened.add(Promise.resolve(new ManagedNode({ name, port, dataDir: join(folder.path, name) })));
}

async function makeServer(node: ManagedNode): Promise<void> {
  await run([
    join(binDir, 'initdb'),
    '-D',
    node.dataDir,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-k',
    '-N',
    '--locale=C',
    '--encoding=UTF8',
  ]);
  const lines = [
    "shared_preload_libraries = 'repmgr'",
    'wal_log_hints = on',
    "listen_addresses = '127.0.0.1'",
    'fsync = off',
    "shared_buffers = '16MB'",
    `unix_socket_directories = '${folder.path}'`,
    `port = ${String(node.port)}`,
  ];
  await appendFile(join(node.dataDir, 'postgresql.conf'), `${lines.join('\n')}\n`);
  await run([join(binDir, 'pg_ctl'), '-D', node.dataDir, '-w', '-l', log(node), 'start']);
}

async function makePrimary(node: ManagedNode): Promise<void> {
  await makeServer(node);
  const [roles = ''] =
    /CREATE ROLE pgcellar[\s\S]*?(?=```)/.exec(await readFile(new URL('../../README.md', import.meta.url), 'utf8')) ?? [];
  await node.query(`CREATE ROLE repmgr LOGIN SUPERUSER; ${roles}`);
  await node.query('CREATE DATABASE repmgr OWNER repmgr');
  await run([...repmgrOf(node), 'primary', 'register']);
  await node.query(await pageBlock(page, '-- in the database repmgr, after'), { dbname: 'repmgr' });
}

function repmgrOf(node: ManagedNode): readonly string[] {
  return [requireManagers().repmgr, '-f', conf(node)];
}

/** A copied data folder has the port of its origin. */
async function setPort(node: ManagedNode): Promise<void> {
  await appendFile(join(node.dataDir, 'postgresql.conf'), `port = ${String(node.port)}\n`);
}

interface Answer {
  readonly nodes: readonly { readonly name: string; readonly role?: string; readonly status: string }[];
  readonly plan: { readonly kind: string; readonly node?: string; readonly name?: string };
  readonly source_problem: string | null;
  readonly switches: readonly {
    readonly from: string;
    readonly to: string;
    readonly lost_bytes: number;
    readonly continuity: string | null;
  }[];
}

async function cluster(...words: readonly string[]): Promise<Answer> {
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', ...words, 'main'], { home });
  return (JSON.parse(stdout) as { main: Answer }).main;
}

async function rolesSeen(): Promise<readonly string[]> {
  const { nodes } = await cluster();
  return nodes.map(({ name, role, status }) => `${name} ${role ?? status}`);
}

async function untilStreaming(node: ManagedNode): Promise<void> {
  await waitFor(`the receiver streams from ${node.name}`, async () => await isSlotActive(node, 'pgcellar').catch(() => false), {
    timeoutMs: 60_000,
    explain: logs,
  });
}

/** Commits a row, and waits until it is replayed on the standbys. */
async function commit(node: ManagedNode, word: string, standbys: readonly ManagedNode[]): Promise<void> {
  await node.query('INSERT INTO told VALUES ($1)', { parameters: [word] });
  for (const standby of standbys) {
    const has = async (): Promise<boolean> => (await standby.value(`SELECT count(*) FROM told WHERE word = '${word}'`)) === '1';
    await waitFor(`${standby.name} has ${word}`, has, { explain: logs });
  }
}

async function backUp(): Promise<void> {
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', '--wait-timeout', '120', '--immediate-checkpoint', 'main'], { home });
}

async function runClone(node: ManagedNode, from: ManagedNode = a): Promise<string> {
  const block = await nodePage('# on node b, as postgres', node, from);
  const [clone = '', ...rest] = block.split('\n').filter((line) => !line.startsWith('#'));
  const printed = await run(['sh', '-ec', clone]);
  await setPort(node);
  return `${printed}${await run(['sh', '-ec', rest.join('\n')])}`;
}

async function stopReceiver(): Promise<void> {
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
}

async function primaryAmong(nodes: readonly ManagedNode[]): Promise<ManagedNode | undefined> {
  for (const node of nodes) if ((await node.role()) === 'primary') return node;
  return undefined;
}

/** repmgrd in the foreground, one for each node; they end with what is returned. */
async function startDaemons(nodes: readonly ManagedNode[]): Promise<AsyncDisposable & { readonly length: number }> {
  const daemons: RunningProgram[] = [];
  for (const node of nodes) {
    const pidFile = join(folder.path, `${node.name}.repmgrd.pid`);
    const argv = [requireManagers().repmgrd, '-f', conf(node), '--daemonize=false', '-p', pidFile];
    daemons.push(startProgram(asServerUser(argv), { env: hosts.env, cwd: folder.path }));
  }
  for (const daemon of daemons) {
    await waitFor('repmgrd watches its node', () => daemon.stderr().includes('monitoring'), { explain: () => daemon.stderr() });
  }
  return {
    length: daemons.length,
    [Symbol.asyncDispose]: async () => {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
    },
  };
}

async function setUp(): Promise<void> {
  ({ binDir } = requireManagers().postgres);
  folder = await opened.add(createTemporaryFolder('rm', { owner: 'server' }));
  home = await opened.add(createTestHome());
  a = await makeNode('a');
  b = await makeNode('b');
  c = await makeNode('c');
  const programs = { repmgr: requireManagers().repmgr, pg_ctl: join(binDir, 'pg_ctl') };
  hosts = await opened.add(startTwoHosts({ folder: folder.path, home, programs }));
  for (const [at, node] of [a, b, c].entries()) await writeConf(node, at + 1);
  await makePrimary(a);
  const section = await pageBlock(page, '# /etc/pgcellar.d/main.conf on the backup host\n[main]\ncluster_nodes = repmgr', {
    'host=a port=5432': `host=127.0.0.1 port=${String(a.port)}`,
  });
  await home.writeFile('barman.d/main.conf', `${section}path_prefix = ${binDir}\n`);
  await a.query('CREATE TABLE told (word text)');
  await runWell(['cron'], { home });
  await untilStreaming(a);
  await backUp();
}

describeWithManagers('repmgr', () => {
  beforeAll(setUp);
  afterAll(async () => opened.close());

  test('clones a standby from the catalog, which fetches its WAL from there', async () => {
    const printed = await runClone(b);
    expect(printed).toContain('Barman');
    await commit(a, 'after the clone', [b]);
    expect(await rolesSeen()).toEqual(['a primary', 'b standby']);
    expect(await b.value("SELECT count(*) FROM pg_stat_wal_receiver WHERE slot_name = 'repmgr_slot_2'")).toBe('1');
  });

  test('registers a standby that restore --standby-mode made, and it follows', async () => {
    const words = [
      'restore',
      '--standby-mode',
      '--get-wal',
      '--remote-ssh-command',
      `ssh ${hosts.nodeUser}@127.0.0.1`,
      'main',
      'latest',
    ];
    await runWell([...words, c.dataDir], { home, path: [join(folder.path, 'bin')] });
    await setPort(c);
    await runPage('# on node c, as postgres: the record first', c);
    await commit(a, 'after the restore', [b, c]);
    expect(await rolesSeen()).toEqual(['a primary', 'b standby', 'c standby']);
  });

  test('a switchover is followed without loss, and every node is known by its name', async () => {
    await commit(a, 'before the switchover', [b, c]);
    await run([...repmgrOf(b), 'standby', 'switchover', '--siblings-follow']);
    await untilStreaming(b);
    await commit(b, 'after the switchover', [a, c]);
    expect(await rolesSeen()).toEqual(['a standby', 'b primary', 'c standby']);
    expect((await cluster()).plan).toMatchObject({ kind: 'stay', node: 'b' });
    const { switches } = await cluster('--history');
    expect(switches).toMatchObject([{ from: 'a', to: 'b', lost_bytes: 0 }]);
    const dropped = async (): Promise<boolean> =>
      (await a.value("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'pgcellar'")) === '0';
    await waitFor('the slot of the old primary is dropped', dropped, { explain: logs });
  });

  test('repmgrd with a witness promotes a standby, and its event starts the receiver there', async () => {
    const witness = await makeNode('w');
    await writeConf(witness, 4);
    await makeServer(witness);
    await witness.query('CREATE ROLE repmgr LOGIN SUPERUSER');
    await witness.query('CREATE DATABASE repmgr OWNER repmgr');
    const ofPrimary = ['-h', '127.0.0.1', '-p', String(b.port), '-U', 'repmgr', '-d', 'repmgr'];
    await run([...repmgrOf(witness), ...ofPrimary, 'witness', 'register']);
    await using daemons = await startDaemons([a, c, witness]);
    await commit(b, 'before the failover', [a, c]);
    await stopReceiver();
    await b.kill();
    const next = await waitFor('a standby is promoted', async () => await primaryAmong([a, c]), {
      timeoutMs: 60_000,
      explain: logs,
    });
    await untilStreaming(next);
    const other = next === a ? c : a;
    await commit(next, 'after the failover', [other]);
    expect(await rolesSeen()).toContain(`${next.name} primary`);
    expect(await rolesSeen()).toContain('b unreachable');
    expect(daemons.length).toBe(3);
    expect((await cluster()).nodes.length).toBe(3); // a witness is none that could be followed
    await runWell(['backup', '--wait', '--wait-timeout', '120', '--immediate-checkpoint', 'main'], { home });
  });

  test('the node that died is cloned again, from a backup of the new primary', async () => {
    const primary = (await primaryAmong([a, c]))!;
    await rm(b.dataDir, { recursive: true });
    await runClone(b, primary);
    await commit(primary, 'after the second clone', [b]);
    expect(await rolesSeen()).toContain('b standby');
  });

  test('a restore of the first backup goes over all switches', async () => {
    const primary = (await primaryAmong([a, c]))!;
    const rows = await primary.value("SELECT string_agg(word, ',') FROM told");
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    const data = join(home.folder, 'restored');
    await runWell(['restore', '--target-tli', 'latest', 'main', 'oldest', data], { home });
    await using restored = await startRestored({
      dataDir: data,
      major: 15,
      wait: 'promoted',
      settings: { shared_preload_libraries: '' },
    });
    expect(await restored.value("SELECT string_agg(word, ',') FROM told")).toBe(rows);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    const { stdout } = await runPgcellar(['check', 'main'], { home });
    expect(stdout.split('\n').filter((line) => line.includes('FAILED'))).toEqual([]);
  });
});
