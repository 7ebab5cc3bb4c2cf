// A cluster as programs reach it over a network of their own, which can be cut: packets get lost, and nobody is told.
import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.ts';
import { runProgram, startProgram } from './run-program.ts';
import { waitFor } from './wait-for.ts';

interface FarNetwork extends AsyncDisposable {
  /** Address and port of the cluster in there, for a connection string. */
  readonly address: string;
  /** The command as it runs in there. */
  inside(argv: readonly string[]): string[];
  cut(): Promise<void>;
}

const port = 5432;
const [here, there] = ['10.99.0.1', '10.99.0.2'];

/** Whether this process may make networks. */
export async function canSplitNetwork(): Promise<boolean> {
  return (
    (await runProgram(['unshare', '--net', 'ip', 'link', 'add', 'name', 'va', 'type', 'veth', 'peer', 'name', 'vb']))
      .exitCode === 0
  );
}

/** Passes connections on to the socket of the cluster, which is a file and so can be reached from every network. */
const relay = `const net = require('node:net');
net.createServer((near) => {
  const far = net.connect(process.argv[1]);
  for (const [one, other] of [[near, far], [far, near]]) { one.pipe(other); one.on('error', () => other.destroy()); one.on('close', () => other.destroy()); }
}).listen(${String(port)}, '0.0.0.0', () => console.log('ready'));`;

export async function startFarNetwork(cluster: PostgresServer): Promise<FarNetwork> {
  const socket = join(cluster.socketDir, `.s.PGSQL.${String(cluster.port)}`);
  const near = startProgram(['unshare', '--net', process.execPath, '-e', relay, socket]);
  const far = startProgram(['unshare', '--net', 'sh', '-c', 'echo ready; exec sleep infinity']);
  await waitFor('both networks are there', () => [near, far].every((one) => one.stdout().includes('ready')));
  const inNear = ['nsenter', '--net', '--target', String(near.pid)];
  const inFar = ['nsenter', '--net', '--target', String(far.pid)];
  for (const argv of [
    [...inNear, 'ip', 'link', 'add', 'name', 'va', 'type', 'veth', 'peer', 'name', 'vb', 'netns', String(far.pid)],
    [...inNear, 'ip', 'addr', 'add', `${here}/24`, 'dev', 'va'],
    [...inFar, 'ip', 'addr', 'add', `${there}/24`, 'dev', 'vb'],
    [...inNear, 'ip', 'link', 'set', 'va', 'up'],
    [...inFar, 'ip', 'link', 'set', 'vb', 'up'],
  ]) {
    await mustRun(argv);
  }
  return {
    address: `host=${here} port=${String(port)}`,
    inside: (argv) => [...inFar, ...argv],
    cut: async () => await mustRun([...inNear, 'ip', 'link', 'set', 'va', 'down']),
    [Symbol.asyncDispose]: async () => {
      await near[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    },
  };
}

async function mustRun(argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} failed: ${stderr}`);
}
