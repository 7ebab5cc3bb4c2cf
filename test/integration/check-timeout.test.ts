// Servers that hang: before they answer at all, and in the middle of the checks.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';

/** A way to a server that carries so many bytes of its answers for each connection, and then hangs with everything open. */
interface HangingWay extends AsyncDisposable {
  readonly port: number;
}

async function hangingWay(to: PostgresServer, afterBytes: number): Promise<HangingWay> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(to.port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (chunk) => upstream.write(chunk));
    let left = afterBytes;
    upstream.on('data', (chunk) => {
      if (left > 0) client.write(chunk.subarray(0, left));
      left -= chunk.length;
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a server that hangs', () => {
  const opened = new Opened();
  let cluster: PostgresServer;
  let home: TestHome;

  beforeAll(async () => {
    cluster = await opened.add(startCluster({ major: 18 }));
    home = await opened.add(createTestHome());
  });
  afterAll(() => opened.close());

  const through = (port: number) =>
    streamingServer(cluster, {
      conninfo: `host=127.0.0.1 port=${String(port)} user=barman dbname=postgres`,
      streaming_conninfo: `host=127.0.0.1 port=${String(port)} user=streaming_barman`,
      check_timeout: 2,
    });

  test('ends its own checks, and the command ends with it long before the connections would', async () => {
    await using mute = await hangingWay(cluster, 0);
    await using halting = await hangingWay(cluster, 700);
    await home.writeServer('a', through(mute.port));
    await home.writeServer('b', streamingServer(cluster));
    await home.writeServer('c', through(halting.port));
    // the driver gives up after 20 s: a command that waited for that would be killed here
    const { stdout, exitCode } = await runPgcellar(['check', 'all'], { home, timeoutMs: 18_000 });
    expect(exitCode).toBe(1);
    const servers = stdout.split(/^Server /m).slice(1);
    expect(servers.map((text) => text.slice(0, 2))).toEqual(['a:', 'b:', 'c:']); // in order, whoever ends first
    expect(servers[0]).toContain("check timeout: FAILED (timed out after 2 seconds, at 'PostgreSQL')");
    expect(servers[1]).toContain('\tPostgreSQL: OK');
    expect(servers[1]).not.toContain('check timeout');
    expect(servers[2]).toMatch(/check timeout: FAILED \(timed out after 2 seconds, at '[^']+'\)/);
  });
});
