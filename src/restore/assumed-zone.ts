import type { Backup } from '../catalog/backup.ts';
import type { Server } from '../config/server.ts';
import { sourceOf } from './backup-source.ts';
import { namedBackup } from './choose-backup.ts';
import { configuredZone } from './configured-zone.ts';
import type { SourceReader } from './read-source-content.ts';
import { Refusals } from './refusals.ts';
import type { RestoreRequest } from './restore-options.ts';
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
