import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { copySegments, streamSegments } from '../../archive/fetch-segments.ts';
import { type ClusterNode, isSameNode, type ObservedNode, type ReachedNode, sshCommandAt } from '../../cluster/cluster-node.ts';
import type { MissingSegment } from '../../cluster/plan-following.ts';
import { walNodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { readWalFile } from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, messageOf, OperatorError } from '../../shared/operator-error.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';
import { lastLines } from '../../transport/programs/program-result.ts';
import { type SegmentName, segmentIndex } from '../../wal/wal-name.ts';

interface Fetching {
  readonly missing: readonly MissingSegment[];
  readonly nodes: readonly ObservedNode[];
  readonly systemid: string;
  readonly segmentSize: number;
}

/**
 * Fetches segments that the followed node has no more from the nodes that still have them, to where they are archived from. A running node
 * streams them, or else lets its files be read over SQL or ssh; of one that is down the files are read over ssh. What cannot be had is told, and
 * left out.
 * @returns the segments that are here now
 */
export async function fetchMissingWal(
  server: Server,
  { missing, nodes, systemid, segmentSize }: Fetching,
  context: Context,
): Promise<readonly SegmentName[]> {
  const found: SegmentName[] = [];
  for (const { from, walFolder, segments } of runsOf(missing, segmentSize)) {
    const [first] = segments;
    context.messages.info(
      `Fetching ${String(segments.length)} WAL segments from ${from.name}, beginning with ${String(first)}, which the archive lacks`,
    );
    const node = nodes.find((each) => isSameNode(each, from));
    const ways =
      node?.kind === 'reached' && walFolder === undefined ? waysOf(server, node) : [filesOver(server, from, walFolder)];
    let rest = segments;
    for (const way of ways) {
      if (way === undefined || rest.length === 0) continue;
      try {
        const here = await way({ segments: rest, systemid }, context);
        found.push(...here);
        rest = rest.filter((segment) => !here.includes(segment));
      } catch (error) {
        const failure = expectedFailureOf(error);
        if (failure === undefined || context.signal.aborted) throw error;
        context.messages.warning(`${from.name} does not send that WAL: ${messageOf(failure)}`);
      }
    }
  }
  return found;
}

interface Wanted {
  readonly segments: readonly SegmentName[];
  readonly systemid: string;
}

/** One way to have segments of a node. */
type Way = (wanted: Wanted, context: Context) => Promise<readonly SegmentName[]>;

/** From the cheapest on. */
function waysOf(server: Server, node: ReachedNode): readonly (Way | undefined)[] {
  const there: Server = { ...server, node: { entry: node.entry, isOnly: true } };
  const { segmentSize, version: serverVersion, dataDirectory } = node;
  const streamed: Way = async (wanted, context) => {
    await using connection = await walNodesOf(there).program('pgcellar_fetch_wal', context.signal);
    return await streamSegments({ ...wanted, server: there, connection, serverVersion, segmentSize }, context);
  };
  const queried: Way = async (wanted, context) => {
    await using connection = await walNodesOf(there).queries(context.signal);
    const copy = async (segment: SegmentName, path: string): Promise<void> => {
      await using file = await open(path, 'w');
      for await (const piece of readWalFile(connection, segment)) await file.writeFile(piece);
    };
    return await copySegments({ ...wanted, server: there, copy }, context);
  };
  return [streamed, queried, filesOver(server, node, dataDirectory === undefined ? undefined : join(dataDirectory, 'pg_wal'))];
}

/** Through `cluster_ssh`; undefined where that is not set. */
function filesOver(server: Server, node: ClusterNode, walFolder: string | undefined): Way | undefined {
  const { cluster_ssh: command } = server.config.options;
  if (command === undefined || walFolder === undefined) return undefined;
  return async (wanted, context) => {
    await using host = remoteHost({ sshCommand: sshCommandAt(node, command), environment: server.environment });
    const copy = async (segment: SegmentName, path: string): Promise<void> => {
      const file = createWriteStream(path);
      const { signal } = context;
      const argv = ['cat', '--', join(walFolder, segment)];
      const { exitCode, stderr } = await host.run(argv, { signal, onStdout: (chunk) => void file.write(chunk) });
      file.end();
      await finished(file);
      if (exitCode === 0) return;
      throw new OperatorError('command-failed', `${argv.join(' ')} fails on ${host.label}: ${lastLines(stderr, 2)}`);
    };
    return await copySegments({ ...wanted, server, copy }, context);
  };
}

interface Run {
  readonly from: ClusterNode;
  readonly walFolder: string | undefined;
  readonly segments: readonly SegmentName[];
}

/** Segments in a row that come from one node. */
function runsOf(missing: readonly MissingSegment[], segmentSize: number): readonly Run[] {
  const runs: (Run & { segments: SegmentName[] })[] = [];
  for (const { segment, from, walFolder } of missing) {
    if (from === undefined) continue;
    const last = runs.at(-1);
    const before = last?.segments.at(-1);
    const isNext = before !== undefined && segmentIndex(segment, segmentSize) === segmentIndex(before, segmentSize) + 1;
    if (last !== undefined && isNext && isSameNode(last.from, from)) last.segments.push(segment);
    else runs.push({ from, walFolder, segments: [segment] });
  }
  return runs;
}
