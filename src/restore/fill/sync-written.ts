import type { Context } from '../../shared/context.ts';
import type { RestoreHost } from '../host/restore-host.ts';

/** Makes what was written durable, and shows meanwhile how much that host has still to write. */
export async function syncWritten(
  restoreHost: Pick<RestoreHost, 'sync'>,
  folders: readonly string[],
  { progress }: Pick<Context, 'progress'>,
): Promise<void> {
  const label = 'Syncing';
  let totalBytes: number | undefined;
  progress.begin({ label });
  try {
    await restoreHost.sync(folders, (unwritten) => {
      if (totalBytes === undefined) {
        totalBytes = unwritten;
        progress.begin({ label, totalBytes });
      }
      progress.advance(Math.max(0, totalBytes - unwritten)); // others go on writing
    });
  } finally {
    progress.end();
  }
}
