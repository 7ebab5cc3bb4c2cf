import { readSetting } from '../postgres/server-queries.ts';
import type { QueryAccess } from './check.ts';

/** Whether `archive_command` is set and in use; a server whose `archive_mode` is off shows `(disabled)`. */
export async function hasArchiveCommand({ connection }: QueryAccess): Promise<boolean> {
  const command = await readSetting(connection, 'archive_command');
  return command !== undefined && command !== '' && command !== '(disabled)';
}
