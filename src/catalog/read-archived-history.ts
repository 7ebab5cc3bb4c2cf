import { Writable } from 'node:stream';
import { writePlainContent } from '../compression/all-codecs.ts';
import type { CodecSurroundings } from '../compression/codec.ts';
import { parseTimelineHistory, type TimelineSwitch } from '../wal/timeline-history.ts';
import type { WalName } from '../wal/wal-name.ts';
import { archivedWalPath } from './archive-layout.ts';
import type { ServerLayout } from './server-layout.ts';

/**
 * What a history file in the archive says, compressed or not.
 * @throws OperatorError `wal-index-invalid` when it is none, and what the file system says
 */
export async function readArchivedHistory(
  layout: ServerLayout,
  name: WalName,
  surroundings: CodecSurroundings,
): Promise<TimelineSwitch[]> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  await writePlainContent(archivedWalPath(layout, name), sink, surroundings);
  return parseTimelineHistory(Buffer.concat(chunks).toString('utf8'), name);
}
