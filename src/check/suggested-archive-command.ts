import { hostname, userInfo } from 'node:os';
import type { Server } from '../config/server.ts';
import { parseConninfo } from '../postgres/conninfo.ts';
import { quoteWord } from '../shared/shell-words.ts';

const thisHost = ['localhost', '127.0.0.1', '::1', ''];

/** An `archive_command` that brings WAL here: over ssh with our helper, or with rsync when PostgreSQL runs on this very host. */
export function suggestedArchiveCommand({ config: { name, options }, layout }: Server): string {
  const host = parseConninfo(options.conninfo ?? '').get('host') ?? '';
  if (host.startsWith('/') || thisHost.includes(host)) return `rsync -a %p ${quoteWord(layout.incoming)}/%f`;
  return `pgcellar-wal-archive -U ${quoteWord(userInfo().username)} ${hostname()} ${quoteWord(name)} %p`;
}
