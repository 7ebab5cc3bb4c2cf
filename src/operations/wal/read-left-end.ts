import { join } from 'node:path';
import { type ClusterNode, sshCommandAt } from '../../cluster/cluster-node.ts';
import { withinLimit } from '../../cluster/within-limit.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { expectedFailureOf, messageOf } from '../../shared/operator-error.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';
import { type Lsn, lsnFromBytes } from '../../wal/lsn.ts';
import { historyNameOf } from '../../wal/timeline-history.ts';
import { validEnd } from '../../wal/valid-end.ts';
import { misplacement, nextSegment, parseFirstPage, segmentAtIndex, segmentStart } from '../../wal/wal-name.ts';

interface LeftTimeline {
  /** A node that is down, whose data folder is as it was when it went down. */
  readonly node: ClusterNode;
  readonly dataDirectory: string;
  readonly timeline: number;
  /** Where the next timeline begins. */
  readonly fork: Lsn;
  readonly newTimeline: number;
  readonly segmentSize: number;
}

/** PostgreSQL's positions lie where the next record begins (MAXALIGN). */
const recordAlignment = 8;
/** For one host to send one segment. */
const segmentMs = 30_000;
/** A primary that wrote more than so many segments behind the fork is read no further: the loss is at least that. */
const mostSegments = 64;

/**
 * The end of the WAL that a dead primary wrote on its timeline, from its files through `cluster_ssh`. A node that was rebuilt since has the
 * history of the new timeline, and files of others: it is not read.
 * @returns undefined where that cannot be read
 */
export async function readLeftEnd(
  { config, environment }: Pick<Server, 'config' | 'environment'>,
  { node, dataDirectory, timeline, fork, newTimeline, segmentSize }: LeftTimeline,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<Lsn | undefined> {
  const { cluster_ssh: command } = config.options;
  if (command === undefined) return undefined;
  const history = historyNameOf(newTimeline);
  const content = Buffer.alloc(segmentSize);
  let end: Lsn | undefined;
  try {
    await using host = remoteHost({ sshCommand: sshCommandAt(node, command), environment });
    let segment = segmentAtIndex(timeline, Number(fork / BigInt(segmentSize)), segmentSize);
    for (let count = 0; count < mostSegments; count++) {
      const script = 'cd "$1" && [ ! -e "$2" ] && cat -- "$3"';
      const argv = ['sh', '-c', script, 'sh', join(dataDirectory, 'pg_wal'), history, segment];
      let sent = 0;
      const take = (piece: Buffer): void => {
        piece.copy(content, sent); // what is more than a segment is counted, and not kept
        sent += piece.length;
      };
      const { exitCode } = await withinLimit(
        segmentMs,
        signal,
        async (limit) => await host.run(argv, { signal: limit, onStdout: take }),
      );
      const page = exitCode === 0 && sent === segmentSize ? parseFirstPage(content) : undefined;
      if (page === undefined || misplacement(page, segment) !== undefined) break; // a recycled file, not yet written to
      const length = validEnd(content);
      if (length === undefined) break;
      end = lsnFromBytes(segmentStart(segment, segmentSize) + BigInt(Math.ceil(length / recordAlignment) * recordAlignment));
      segment = nextSegment(segment, segmentSize);
    }
    return end;
  } catch (error) {
    if (expectedFailureOf(error) === undefined || signal.aborted) throw error;
    log.debug(`the WAL that ${node.name} wrote last cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}
