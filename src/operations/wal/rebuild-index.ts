import { WalIndex } from '../../catalog/index/wal-index.ts';
import { customCompressionOf } from '../../compression/custom-codec.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';

/** Writes the WAL index anew from what lies in the archive (docs/reference/cli.md section 10.4). */
export async function rebuildIndex(server: Server, context: Context): Promise<void> {
  const { name } = server.config;
  context.messages.info(`Rebuilding xlogdb for server ${name}`);
  await using index = await WalIndex.open(server.layout, context.signal);
  const { history, backupLabels, walFiles, leftOut } = await index.rebuild(customCompressionOf(server.config.options));
  const [first] = leftOut;
  if (first !== undefined) {
    context.messages.warning(
      `the index of server '${name}' leaves out what is no whole WAL file: ${first}${leftOut.length === 1 ? '' : `, and ${String(leftOut.length - 1)} more`}`,
    );
  }
  const counts = `history: ${String(history)}, backup_labels: ${String(backupLabels)}, wal_file: ${String(walFiles)}`;
  context.messages.info(`Done rebuilding xlogdb for server ${name} (${counts})`);
}
