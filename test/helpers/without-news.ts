// What the real Barman of the tests (3.13.3) cannot say yet, and what is ours: answers of both are compared without it.
import type { ProgramResult } from './run-program.ts';

/** Options that came after 3.13.3, and one of ours; `show-servers` of both is compared without them. */
const laterOptions = [
  'aws_check_object_lock',
  'aws_encryption',
  'aws_read_timeout',
  'aws_sse_customer_key',
  'aws_sse_kms_key_id',
  'cloud_delete_batch_size',
  'cloud_staging_directory',
  'cloud_staging_max_size',
  'cloud_upload_max_archive_size',
  'cloud_upload_min_chunk_size',
  'cloud_wal_archive_parallel',
  'cloud_wal_restore_parallel',
  'combine_mode',
  'compression_level',
  'encryption',
  'encryption_key_id',
  'encryption_passphrase_command',
  'staging_location',
  'staging_path',
  'verify_checksums',
  'warehousepg_dbid',
];

/** What `status` ends with beyond Barman: lines and keys that begin so. */
const ownStatus = /^\t(?:Recoverable |WAL hole)|^(?:recoverable_|wal_hole)/;

/** The answer without what is ours, and what came after 3.13.3: options, keys of JSON, and the wording of one check. */
export function withoutNews({ exitCode, stdout, stderr }: ProgramResult): unknown {
  const text = stdout.replaceAll('non-incremental backups, expected', 'backups, expected');
  if (text.startsWith('{')) return { exitCode, stderr, answer: withoutNewKeys(JSON.parse(text)) };
  const isNew = (line: string): boolean => ownStatus.test(line) || laterOptions.includes(/^\t(\w+): /.exec(line)?.[1] ?? '');
  const lines = text.split('\n');
  return { exitCode, stderr, lines: lines.filter((line) => !isNew(line)) };
}

function withoutNewKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNewKeys);
  if (typeof value !== 'object' || value === null) return value;
  // `compression` of a backup is new in show-backup, that of a server is not
  const isNew = (key: string): boolean =>
    ownStatus.test(key) ||
    laterOptions.includes(key) ||
    (key === 'compression' && 'backup_method' in value && !('basebackups_directory' in value));
  const kept = Object.entries(value).filter(([key]) => !isNew(key));
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutNewKeys(item)]));
}
