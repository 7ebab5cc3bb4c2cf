// Real Patroni with etcd and the configuration that docs/high-availability.md prints: a cluster that is made from the catalog, replicas too, a
// switchover while a backup runs, a failover, and sources of the node list that do not answer.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { findFreePort } from '../helpers/free-port.ts';
import { describeWithManagers, requireManagers } from '../helpers/installations.ts';
import { ManagedNode } from '../helpers/managed-node.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import { pageBlock } from '../helpers/page-block.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { type RunningProgram, startProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { isSlotActive } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { startTwoHosts, type TwoHosts } from '../helpers/two-hosts.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { asServerUser } from '../machine/server-user.mjs';

const page = 'high-availability.md';
const section = '# /etc/pgcellar.d/main.conf on the backup host\n[main]\ncluster_nodes = patroni';
const opened = new Opened();
let folder: TemporaryFolder;
let home: TestHome;
let hosts: TwoHosts;
let etcdPort: number;
let etcdPeerPort: number;
let etcd: RunningProgram;
let members: readonly Member[];

/** A node with the Patroni that runs it. */
class Member extends ManagedNode {
  readonly restPort: number;
  #patroni: RunningProgram | undefined;

  constructor(parts: { readonly name: string; readonly port: number; readonly restPort: number; readonly dataDir: string }) {
    super({ ...parts, password: 'super-secret' });
    this.restPort = parts.restPort;
  }

  /** PostgreSQL inherits the output of Patroni, and outlives it. */
  start(): void {
    const configuration = join(folder.path, `${this.name}.yml`);
    const script = `exec "$0" "$1" >>${this.#logFile} 2>&1`;
    const argv = asServerUser(['sh', '-c', script, requireManagers().patroni, configuration]);
    this.#patroni = startProgram(argv, { env: hosts.env, cwd: folder.path });
  }

  /** Its Patroni dies, and leaves PostgreSQL as it is. */
  async killPatroni(): Promise<void> {
    await this.#patroni?.[Symbol.asyncDispose]();
    this.#patroni = undefined;
  }

  async log(): Promise<string> {
    return await readFile(this.#logFile, 'utf8');
  }

  get #logFile(): string {
    return join(folder.path, `${this.name}.log`);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.killPatroni();
    await super[Symbol.asyncDispose]();
  }
}

async function logs(): Promise<string> {
  const end = (text: string): string => text.split('\n').slice(-30).join('\n');
  const ofMembers = members.map(async (member) => `--- ${member.name}\n${end(await member.log().catch(() => ''))}`);
  return [...(await Promise.all(ofMembers)), `--- pgcellar\n${end(await home.log())}`].join('\n');
}

async function makeMember(name: string): Promise<Member> {
  const [port, restPort] = [await findFreePort(), await findFreePort()];
  return await opened.add(Promise.resolve(new Member({ name, port, restPort, dataDir: join(folder.path, name) })));
}

async function writeMember(member: Member): Promise<void> {
  const script = join(folder.path, `restore-${member.name}`);
  const printed = await pageBlock(page, '#!/bin/sh\n# /usr/local/bin/restore-from-pgcellar', {
    'barman@backup': hosts.backup,
    'postgres@b': `${hosts.nodeUser}@127.0.0.1`,
  });
  await writeFile(script, printed, { mode: 0o755 });
  const teller = join(folder.path, `tell-${member.name}`);
  const printedTeller = await pageBlock(page, '#!/bin/sh\n# /usr/local/bin/tell-pgcellar', { 'barman@backup': hosts.backup });
  await writeFile(teller, printedTeller, { mode: 0o755 });
  const text = await pageBlock(page, '# /etc/patroni.yml of node b', {
    'name: b': `name: ${member.name}`,
    'etcd:2379': `127.0.0.1:${String(etcdPort)}`,
    'b:8008': `127.0.0.1:${String(member.restPort)}`,
    'b:5432': `127.0.0.1:${String(member.port)}`,
    '/etc/patroni': folder.path,
    'ttl: 30': 'ttl: 20',
    'loop_wait: 10': 'loop_wait: 1',
    'retry_timeout: 10': 'retry_timeout: 3\n    primary_start_timeout: 0\n    master_start_timeout: 0',
    "wal_log_hints: 'on'": "wal_log_hints: 'on'\n        fsync: 'off'\n        shared_buffers: 16MB",
    '/usr/local/bin/restore-from-pgcellar': script,
    '/usr/local/bin/tell-pgcellar': teller,
    '/var/lib/postgresql/15/main': member.dataDir,
    '/var/lib/postgresql/.pgpass-patroni': join(folder.path, `pgpass-${member.name}`),
    '/usr/lib/postgresql/15/bin': requireManagers().postgres.binDir,
    '-U barman': `-U ${hosts.backupUser}`,
    '  pg_hba:': `  parameters:\n    unix_socket_directories: ${folder.path}\n  pg_hba:`,
  });
  await writeFile(join(folder.path, `${member.name}.yml`), text);
}

/** An authority, and a certificate of the address of all members. */
async function makeCertificates(): Promise<void> {
  const script = `
    key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    openssl req -x509 $key -keyout ca.key -out ca.pem -days 30 -subj /CN=test-ca
    openssl req $key -keyout server.key -out server.csr -subj /CN=members
    echo 'subjectAltName=IP:127.0.0.1' > san
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile san -out server.pem -days 30
    openssl req -x509 $key -keyout other.key -out other-ca.pem -days 30 -subj /CN=other-ca
    chmod 0644 server.key`;
  await promisify(execFile)('sh', ['-ec', script], { cwd: folder.path });
}

async function startEtcd(): Promise<void> {
  const client = `http://127.0.0.1:${String(etcdPort)}`;
  const peer = `http://127.0.0.1:${String(etcdPeerPort)}`;
  const data = join(folder.path, 'etcd');
  const argv = [
    ...[requireManagers().etcd, '--data-dir', data, '--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
  ];
  etcd = await opened.add(Promise.resolve(startProgram(asServerUser(argv), { env: hosts.env, cwd: folder.path })));
  await waitFor('etcd serves', () => /ready to serve|serving insecure/i.test(etcd.stderr()), { explain: () => etcd.stderr() });
}

/** What the page prints for the backup host, and more. */
async function writeSection(more = '', without: readonly string[] = []): Promise<void> {
  const ports = members.map(({ port }) => String(port)).join(',');
  const text = await pageBlock(page, section, {
    'https://a:8008 https://b:8008 https://c:8008': members
      .map(({ restPort }) => `https://127.0.0.1:${String(restPort)}`)
      .join(' '),
    '/etc/pgcellar/patroni-ca.pem': join(folder.path, 'ca.pem'),
    'host=a,b,c port=5432': `host=127.0.0.1,127.0.0.1,127.0.0.1 port=${ports}`,
  });
  const kept = text.split('\n').filter((line) => !without.some((key) => line.startsWith(`${key} `)));
  await home.writeFile('barman.d/main.conf', `${kept.join('\n')}path_prefix = ${requireManagers().postgres.binDir}\n${more}`);
}

/** Changes something through the REST interface, as patronictl does. */
async function tell(member: Member, method: string, path: string, body: unknown): Promise<string> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'server.pem', 'server.key'].map(async (name) => await readFile(join(folder.path, name))),
  );
  return await new Promise((resolve, reject) => {
    const options = { method, ca, cert, key, host: '127.0.0.1', port: member.restPort, path, auth: 'patroni:rest-secret' };
    const asked = request(options, (answer) => {
      let text = '';
      answer.on('data', (piece: Buffer) => (text += piece.toString()));
      answer.on('end', () => resolve(`${String(answer.statusCode)} ${text}`));
    });
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

interface Answer {
  readonly source: string;
  readonly source_problem: string | null;
  readonly nodes: readonly { readonly name: string; readonly role?: string; readonly status: string }[];
  readonly plan: { readonly kind: string; readonly node?: string; readonly name?: string };
  readonly switches: readonly { readonly from: string; readonly to: string; readonly lost_bytes: number }[];
}

async function cluster(...words: readonly string[]): Promise<Answer> {
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', ...words, 'main'], { home });
  return (JSON.parse(stdout) as { main: Answer }).main;
}

async function rolesSeen(): Promise<readonly string[]> {
  const { nodes } = await cluster();
  return nodes.map(({ name, role, status }) => `${name} ${role ?? status}`).toSorted();
}

async function untilStreaming(node: ManagedNode): Promise<void> {
  await waitFor(`the receiver streams from ${node.name}`, async () => await isSlotActive(node, 'pgcellar').catch(() => false), {
    timeoutMs: 60_000,
    explain: logs,
  });
}

async function thePrimary(): Promise<Member> {
  return await waitFor(
    'a member is the primary',
    async () => {
      for (const member of members) if ((await member.role()) === 'primary') return member;
      return undefined;
    },
    { timeoutMs: 90_000, explain: logs },
  );
}

/** Commits a row, and waits until it is replayed on the standbys. */
async function commit(word: string): Promise<void> {
  const at = await thePrimary();
  await at.query('INSERT INTO told VALUES ($1)', { parameters: [word] });
  for (const standby of members.filter((member) => member !== at)) {
    const has = async (): Promise<boolean> => (await standby.value(`SELECT count(*) FROM told WHERE word = '${word}'`)) === '1';
    await waitFor(`${standby.name} has ${word}`, has, { timeoutMs: 90_000, explain: logs });
  }
}

async function backUp(): Promise<void> {
  await runWell(['backup', '--wait', '--wait-timeout', '120', '--immediate-checkpoint', 'main'], { home });
}

/** A server without Patroni, with a backup and the WAL since then in the catalog; it is gone. */
async function fillCatalog(): Promise<void> {
  await using plain = await startCluster({ major: 15 });
  const [roles = ''] =
    /CREATE ROLE pgcellar[\s\S]*?(?=```)/.exec(await readFile(new URL('../../README.md', import.meta.url), 'utf8')) ?? [];
  await plain.query(
    `${roles}; GRANT pg_monitor TO pgcellar; ALTER ROLE postgres PASSWORD 'super-secret'; CREATE TABLE told (word text)`,
  );
  const where = `host=127.0.0.1 port=${String(plain.port)} dbname=postgres`;
  const options = {
    conninfo: `${where} user=pgcellar`,
    streaming_conninfo: `${where} user=streaming_pgcellar`,
    slot_name: 'pgcellar',
    create_slot: 'auto',
    streaming_archiver: true,
    backup_method: 'postgres',
    path_prefix: requireManagers().postgres.binDir,
  };
  await home.writeServer('main', options);
  await runWell(['cron'], { home });
  await waitFor('the receiver streams', async () => await isSlotActive(plain, 'pgcellar'), { explain: () => home.log() });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await backUp();
  await plain.query("INSERT INTO told VALUES ('after the backup')");
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  await plain.kill();
}

async function setUp(): Promise<void> {
  folder = await opened.add(createTemporaryFolder('pt', { owner: 'server' }));
  home = await opened.add(createTestHome());
  await home.writeFile('user/.pgpass', '*:*:*:pgcellar:…\n*:*:*:streaming_pgcellar:…\n', 0o600);
  await fillCatalog();
  hosts = await opened.add(startTwoHosts({ folder: folder.path, home, programs: {} }));
  [etcdPort, etcdPeerPort] = [await findFreePort(), await findFreePort()];
  await makeCertificates();
  await startEtcd();
  members = [await makeMember('a'), await makeMember('b'), await makeMember('c')];
  for (const member of members) await writeMember(member);
}

describeWithManagers('Patroni', () => {
  beforeAll(setUp);
  afterAll(async () => opened.close());

  test('makes a new cluster from the catalog, which is followed through REST with TLS', async () => {
    const [a] = members as [Member];
    a.start();
    await a.untilRole('primary', logs);
    expect(await a.value('SELECT word FROM told')).toBe('after the backup');
    await writeSection();
    await waitFor('the member is listed', async () => (await cluster()).nodes.length === 1, { explain: logs });
    await runWell(['cron'], { home });
    await untilStreaming(a);
    expect(await cluster()).toMatchObject({ source: 'patroni', source_problem: null, plan: { kind: 'stay', node: 'a' } });
  });

  test('makes replicas from the catalog, and leaves our slot alone', async () => {
    const [, b, c] = members as [Member, Member, Member];
    for (const member of [b, c]) member.start();
    for (const member of [b, c]) await member.untilRole('standby', logs);
    await commit('replicas');
    for (const member of [b, c]) expect(await member.log()).toContain('replica has been created using pgcellar');
    expect(await rolesSeen()).toEqual(['a primary', 'b standby', 'c standby']);
    await untilStreaming(members[0]!);
  });

  test('a source that does not answer, or is not trusted, blinds nobody', async () => {
    const all = ['a primary', 'b standby', 'c standby'];
    const c = members[2]!;
    await c.killPatroni();
    expect([(await cluster()).source_problem, await rolesSeen()]).toEqual([null, all]);
    c.start();
    await writeSection(`cluster_ca_file = ${join(folder.path, 'other-ca.pem')}\n`, ['cluster_ca_file']);
    expect((await cluster()).source_problem).toMatch(/no REST interface of Patroni answers: .*certificate/);
    expect(await rolesSeen()).toEqual(all);
    await writeSection('cluster_url = https://127.0.0.1:1 http://127.0.0.1:2\n', ['cluster_url']);
    expect((await cluster()).source_problem).toBeNull(); // the addresses of the members are remembered
    const login = `https://nobody:wrong@127.0.0.1:${String(members[0]!.restPort)}`;
    await writeSection(`cluster_url = ${login}\n`, ['cluster_url']);
    expect((await cluster()).source_problem).toBeNull(); // Patroni asks for it only where something is changed
    expect(await rolesSeen()).toEqual(all);
  });

  test('a switchover fails the backup that runs, and the hosts of the strings are enough to follow it, also while Patroni is paused', async () => {
    const [a, b] = members as [Member, Member];
    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
    await writeSection('', ['cluster_nodes', 'cluster_url', 'cluster_ca_file']);
    await runWell(['cron'], { home });
    await untilStreaming(a);
    expect(await tell(a, 'PATCH', '/config', { pause: true })).toMatch(/^200 /);
    const slow = await spawnPgcellar(['backup', '--bwlimit', '1000', '--immediate-checkpoint', 'main'], { home });
    const sends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'barman_streaming_backup'";
    await waitFor('the backup runs', async () => (await a.value(sends)) === '1', { explain: logs });
    expect(await tell(a, 'POST', '/switchover', { leader: 'a', candidate: 'b' })).toMatch(/^200 /);
    await b.untilRole('primary', logs);
    const { exitCode } = await slow.ended;
    const record = await newestRecord(home);
    expect([exitCode, record]).toEqual([1, expect.stringContaining('status=FAILED')]);
    expect(record).toMatch(/the node 127\.0\.0\.1:\d+ was (?:lost|demoted) while the backup ran/);
    await untilStreaming(b);
    expect(await tell(b, 'PATCH', '/config', { pause: null })).toMatch(/^200 /);
    await commit('after the switchover');
    const { switches } = await cluster('--history');
    expect(switches.at(-1)).toMatchObject({ to: `127.0.0.1:${String(b.port)}`, lost_bytes: 0 });
    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
    await writeSection();
    await runWell(['cron'], { home });
    await untilStreaming(b);
    expect(await rolesSeen()).toEqual(['a standby', 'b primary', 'c standby']);
  });

  test('a failover is followed, where no receiver runs by the callback of Patroni, and no slot of ours is left on the others', async () => {
    const old = await thePrimary();
    await commit('before the failover');
    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
    await old.kill();
    const next = await waitFor(
      'another member is the primary',
      async () => {
        for (const member of members) if (member !== old && (await member.role()) === 'primary') return member;
        return undefined;
      },
      { timeoutMs: 90_000, explain: logs },
    );
    await untilStreaming(next);
    await commit('after the failover');
    expect(await rolesSeen()).toContain(`${next.name} primary`);
    const slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'pgcellar'";
    for (const standby of members.filter((member) => member !== next)) {
      const isGone = async (): Promise<boolean> => (await standby.value(slots)) === '0';
      await waitFor(`${standby.name} keeps no slot of ours`, isGone, { explain: logs });
    }
  });

  test('a replica is made again from a backup of the new primary', async () => {
    await backUp();
    const at = await thePrimary();
    const replica = members.find((member) => member !== at)!;
    const created = async (): Promise<number> => (await replica.log()).split('replica has been created using pgcellar').length;
    const before = await created();
    expect(await tell(replica, 'POST', '/reinitialize', { force: true })).toMatch(/^200 /);
    await waitFor('it is made from the catalog', async () => (await created()) > before, { timeoutMs: 90_000, explain: logs });
    await commit('after the second replica');
  });

  test('without etcd nobody is the primary, which is told, and WAL comes again when Patroni has one', async () => {
    const at = await thePrimary();
    await etcd[Symbol.asyncDispose]();
    await at.untilRole('standby', logs);
    const { plan, nodes } = await cluster();
    expect(nodes.length).toBe(3);
    expect(plan).toMatchObject({ kind: 'refuse', refusal: 'no-primary' });
    expect((await runPgcellar(['check', 'main'], { home })).stdout).toContain('cluster followed: FAILED (no-primary: ');
    await startEtcd();
    await untilStreaming(await thePrimary());
    await commit('after etcd');
  });

  test('a restore of the first backup goes over all switches, and only the backup that failed is reported', async () => {
    const rows = await (await thePrimary()).value("SELECT string_agg(word, ',') FROM told");
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    const data = join(home.folder, 'restored');
    await runWell(['restore', '--target-tli', 'latest', 'main', 'oldest', data], { home });
    await using restored = await startRestored({
      dataDir: data,
      major: 15,
      wait: 'promoted',
      settings: { max_connections: 100 }, // as Patroni sets it: with less, recovery pauses
    });
    expect(await restored.value("SELECT string_agg(word, ',') FROM told")).toBe(rows);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    const { stdout } = await runPgcellar(['check', 'main'], { home });
    const failed = stdout.split('\n').filter((line) => line.includes('FAILED'));
    expect(failed).toEqual(['\tfailed backups: FAILED (there are 1 failed backups)']);
  });
});
