import type { Server } from '../config/server.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import { readSender } from '../postgres/server-queries.ts';
import type { QueryAccess } from './check.ts';
import { movedTo } from './connection-remedy.ts';
import { mendedBy, type NamedRemedy } from './remedies.ts';

/** `primary_conninfo` as it should be: where the standby itself receives its WAL from. */
export async function primaryRemedy({ config: { options } }: Server, { connection }: QueryAccess): Promise<NamedRemedy> {
  const sender = await readSender(connection);
  if (sender === undefined) return mendedBy('primary-conninfo-wrong', {});
  const place = new Map(Object.entries({ host: sender.host, port: sender.port }));
  const primary = movedTo(parseConninfo(options.primary_conninfo ?? ''), place);
  return mendedBy('primary-conninfo-wrong', { primary });
}
