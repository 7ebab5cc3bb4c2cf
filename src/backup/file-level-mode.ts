import type { ServerConfig } from '../config/server-config.ts';

/** `mode` of the record of a file-level backup (docs/reference/catalog.md section 5.3). */
export function fileLevelMode({ options }: ServerConfig): string {
  return options.backup_options.includes('exclusive_backup') ? 'rsync-exclusive' : 'rsync-concurrent';
}
