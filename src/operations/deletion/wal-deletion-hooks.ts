import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { WalRemovalHooks } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { walHookVariables } from '../../hooks/hook-variables.ts';
import { hasHooks, runPostHooks, runPreHooksOrFail } from '../../hooks/run-hooks.ts';
import type { Context } from '../../shared/context.ts';

/** The wal_delete hooks of a server; undefined when it has none. */
export function walDeletionHooks(server: Server, context: Context): WalRemovalHooks<WalEntry> | undefined {
  if (!hasHooks(server, 'wal_delete')) return undefined;
  const runOf = ({ name, size, time, compression }: WalEntry, file: string) => ({
    server,
    event: 'wal_delete' as const,
    variables: walHookVariables({ segment: name, file, sizeBytes: size, epochSeconds: time, compression }),
  });
  return {
    before: async (entry, path) => {
      await runPreHooksOrFail(runOf(entry, path), context);
    },
    after: async (entry, path) => {
      await runPostHooks(runOf(entry, path), context);
    },
  };
}
