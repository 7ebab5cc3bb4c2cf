import type { Backup } from '../../catalog/backups/backup.ts';
import type { Server } from '../../config/server.ts';
import { sourceOf } from '../content/backup-source.ts';
import type { SourceReader } from '../content/read-source-content.ts';
import { Refusals } from '../guards/refusals.ts';
import { namedBackup } from '../plan/choose-backup.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import { configuredZone } from './configured-zone.ts';
import type { ServerZone } from './target-time.ts';

interface ZoneQuestion {
  readonly server: Server;
  readonly request: Pick<RestoreRequest, 'backup'>;
  readonly reader: SourceReader;
  readonly backups: readonly Backup[];
}

/** The zone of the server that is restored, from the configuration in its backup: that of the newest one when none is named. */
export async function assumedZone({ server, request, reader, backups }: ZoneQuestion): Promise<ServerZone | undefined> {
  const quiet = new Refusals();
  const choosing = { serverName: server.config.name, backups };
  const wanted = request.backup === 'auto' ? 'latest' : request.backup;
  const backup = await quiet.take(() => namedBackup(choosing, wanted));
  const source = backup === undefined ? undefined : await quiet.take(() => sourceOf(backup, backups, server.layout));
  if (backup === undefined || source === undefined) return undefined;
  const content = await quiet.take(() => reader.read(source));
  return content === undefined ? undefined : configuredZone(content, backup.id);
}
