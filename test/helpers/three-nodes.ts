// A primary and two standbys that can change places: switchover, failover with SIGKILL, and the old primary back by pg_rewind.
import { appendFile, chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asServerUser, serverUser } from '../machine/server-user.mjs';
import type { PostgresServer, Settings } from './postgres-server.ts';
import { runProgram } from './run-program.ts';
import { startCluster } from './start-cluster.ts';
import { startStandby } from './start-standby.ts';
import { waitFor } from './wait-for.ts';

interface ThreeOptions {
  readonly major: number;
  readonly settings?: Settings;
  /** How many standbys there are: two, unless a test needs only one. */
  readonly standbys?: number;
}

export class ThreeNodes implements AsyncDisposable {
  readonly nodes: readonly PostgresServer[];
  #primary: PostgresServer;

  constructor(nodes: readonly [PostgresServer, ...PostgresServer[]]) {
    this.nodes = nodes;
    this.#primary = nodes[0];
  }

  static async start({ major, settings = {}, standbys = 2 }: ThreeOptions): Promise<ThreeNodes> {
    const primary = await startCluster({ major, settings: { wal_log_hints: true, wal_keep_size: '256MB', ...settings } });
    const nodes: [PostgresServer, ...PostgresServer[]] = [primary];
    try {
      for (let count = 0; count < standbys; count += 1) {
        // what stands on the command line could not be changed any more
        const standby = await startStandby(primary, {}, { isFixed: false });
        nodes.push(standby);
      }
      return new ThreeNodes(nodes);
    } catch (error) {
      for (const node of nodes) await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  get primary(): PostgresServer {
    return this.#primary;
  }

  get standbys(): readonly PostgresServer[] {
    return this.nodes.filter((node) => node !== this.#primary);
  }

  /** A connection string that names all nodes, in the order in which they were made. */
  conninfo(user: string, more = ''): string {
    const hosts = this.nodes.map(() => '127.0.0.1').join(',');
    const ports = this.nodes.map(({ port }) => String(port)).join(',');
    return `host=${hosts} port=${ports} user=${user} dbname=postgres ${more}`.trim();
  }

  /** What show-cluster calls a node. */
  nameOf({ port }: PostgresServer): string {
    return `127.0.0.1:${String(port)}`;
  }

  /** The primary is shut down, a standby that has all of it takes over, and the old one comes back as its standby. */
  async switchover(to: PostgresServer): Promise<void> {
    const old = this.#primary;
    await old.stop('fast');
    await this.promote(to);
    await this.#attach(old);
    await old.start();
  }

  /** The primary dies; the standby that has received most takes over. @returns the old primary, which does not run */
  async failover(): Promise<PostgresServer> {
    const old = this.#primary;
    await old.kill();
    await this.promote(await this.furthest());
    return old;
  }

  /** The running standby that has received most. */
  async furthest(): Promise<PostgresServer> {
    let best: { node: PostgresServer; lsn: bigint } | undefined;
    for (const node of this.standbys.filter(({ isRunning }) => isRunning)) {
      const sql = "SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::text";
      const lsn = BigInt(await node.value(sql));
      if (best === undefined || lsn > best.lsn) best = { node, lsn };
    }
    if (best === undefined) throw new Error('no standby runs');
    return best.node;
  }

  /** Makes a standby the primary, and lets the other running standbys follow it. */
  async promote(node: PostgresServer): Promise<void> {
    await node.query('SELECT pg_promote()');
    await waitFor('it is promoted', async () => (await node.value('SELECT pg_is_in_recovery()')) === 'false');
    this.#primary = node;
    for (const other of this.standbys.filter(({ isRunning }) => isRunning)) {
      if ((await other.value('SELECT pg_is_in_recovery()')) === 'false') continue;
      await this.#pointTo(other, node);
      other.reload();
    }
  }

  /** The old primary comes back as a standby of the new one, whatever it had written beyond. */
  async rejoin(old: PostgresServer): Promise<void> {
    const { primary } = this;
    await primary.query('CHECKPOINT'); // pg_rewind reads the timeline from the control file
    const argv = [
      join(old.clientsDir, 'pg_rewind'),
      '-D',
      old.dataDir,
      `--source-server=${primary.conninfo({ user: 'postgres' })}`,
      '--no-sync',
    ];
    const result = await runProgram(asServerUser(argv), { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }, cwd: '/' });
    if (result.exitCode !== 0) throw new Error(`pg_rewind failed:\n${result.stdout}${result.stderr}`);
    await this.#attach(old);
    await old.start();
  }

  /** The old primary comes back as a standby whose files are copied anew from the primary. */
  async reclone(old: PostgresServer): Promise<void> {
    await rm(old.dataDir, { recursive: true });
    const source = this.#primary.conninfo({ user: 'streaming_barman' });
    const argv = [join(old.clientsDir, 'pg_basebackup'), '-d', source, '-D', old.dataDir, '-X', 'stream', '-c', 'fast'];
    const result = await runProgram(asServerUser(argv), { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }, cwd: '/' });
    if (result.exitCode !== 0) throw new Error(`pg_basebackup failed:\n${result.stdout}${result.stderr}`);
    await this.#attach(old);
    await old.start();
  }

  /** Waits until every running standby has replayed what the primary has by now. */
  async settle(): Promise<void> {
    const end = await this.#primary.value('SELECT pg_current_wal_flush_lsn()');
    for (const standby of this.standbys.filter(({ isRunning }) => isRunning)) {
      await waitFor('a standby has replayed all of it', async () => {
        return (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${end}'::pg_lsn`)) === 'true';
      });
    }
  }

  /** A standby receives nothing any more. */
  async detach(standby: PostgresServer): Promise<void> {
    await appendFile(join(standby.dataDir, 'postgresql.auto.conf'), "primary_conninfo = ''\n");
    standby.reload();
    await waitFor('it receives nothing', async () => {
      return (await standby.value('SELECT count(*) FROM pg_stat_wal_receiver')) === '0';
    });
  }

  /** Starts a node that was killed as what it was, without asking anybody: a primary that comes back on its own. */
  async comeBackAsPrimary(node: PostgresServer): Promise<void> {
    await rm(join(node.dataDir, 'standby.signal'), { force: true });
    await node.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(async (node) => await node[Symbol.asyncDispose]()));
  }

  async #attach(node: PostgresServer): Promise<void> {
    const path = join(node.dataDir, 'standby.signal');
    await writeFile(path, '');
    const user = serverUser();
    if (user !== undefined) await chown(path, user.uid, user.gid);
    await this.#pointTo(node, this.#primary);
  }

  async #pointTo(node: PostgresServer, primary: PostgresServer): Promise<void> {
    const line = `primary_conninfo = '${primary.conninfo({ user: 'streaming_barman' })}'\n`;
    await appendFile(join(node.dataDir, 'postgresql.auto.conf'), line);
  }
}

/** Commits rows with rising ids on whichever node is the primary, and notes those that were acknowledged. */
export class ClusterLoad implements AsyncDisposable {
  readonly acknowledged: number[] = [];
  readonly #three: ThreeNodes;
  readonly #ended: Promise<void>;
  #isStopping = false;

  constructor(three: ThreeNodes, paddingBytes: number) {
    this.#three = three;
    this.#ended = this.#run(paddingBytes);
  }

  static async start(three: ThreeNodes, { paddingBytes = 2000 } = {}): Promise<ClusterLoad> {
    await three.primary.query('CREATE TABLE IF NOT EXISTS told (id bigint PRIMARY KEY, padding text)');
    const load = new ClusterLoad(three, paddingBytes);
    await load.untilMore();
    return load;
  }

  /** Waits until some more rows were acknowledged. */
  async untilMore(count = 5): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await waitFor('the load commits', () => this.acknowledged.length >= wanted, { timeoutMs: 60_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
  }

  #hasToStop(): boolean {
    return this.#isStopping;
  }

  async #run(paddingBytes: number): Promise<void> {
    let id = Number(await this.#three.primary.value('SELECT coalesce(max(id), 0) FROM told'));
    while (!this.#isStopping) {
      try {
        const client = await this.#three.primary.connect();
        try {
          for (;;) {
            if (this.#hasToStop()) return;
            id += 1;
            // a commit whose answer got lost is there already
            await client.query(
              `INSERT INTO told VALUES (${String(id)}, repeat(md5(random()::text), ${String(Math.ceil(paddingBytes / 32))})) ON CONFLICT DO NOTHING`,
            );
            this.acknowledged.push(id);
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        } finally {
          await client.end().catch(() => undefined);
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100)); // nobody is the primary just now
      }
    }
  }
}
