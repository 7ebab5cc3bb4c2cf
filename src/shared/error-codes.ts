/**
 * Every expected failure has a code; the table says with which exit code a command that meets it ends
 * (docs/reference/cli.md section 1.5: 1 for failures, 2 for wrong usage, 3 for a bad WAL name or output file of `get-wal`; above 125 for what PostgreSQL
 * must not take for a missing file, docs/reference/clients.md section 7.1).
 * `docs/errors.md` lists the same codes; a test compares the two.
 */
export const exitCodeOf = {
  // shared and transport
  usage: 2,
  'options-contradict': 1,
  'lock-busy': 1,
  'lock-failed': 1,
  'program-missing': 1,
  'command-failed': 1,
  'ssh-failed': 1,
  'ssh-host-unknown': 1,
  interrupted: 1,
  'file-unreadable': 1,
  'file-unwritable': 1,
  'not-available-yet': 1,
  // configuration
  'configuration-invalid': 1,
  'configuration-missing': 1,
  'unknown-server': 1,
  'server-disabled': 1,
  'wrong-user': 1,
  'unknown-task': 1,
  // catalog
  'unknown-backup': 1,
  'backup-info-invalid': 1,
  'wal-index-invalid': 1,
  'backup-not-usable': 1,
  'backup-refused': 1,
  'backup-failed': 1,
  'export-invalid': 1,
  // WAL
  'wal-name-invalid': 3,
  'wal-output-unwritable': 3,
  'wal-not-found': 1,
  'wal-unreadable': 200,
  'wal-stream-invalid': 1,
  'wal-not-archived': 1,
  'wal-foreign': 1,
  'receiver-failed': 1,
  'decryption-failed': 1,
  // restore
  'target-invalid': 1,
  'target-unreachable': 1,
  'destination-unusable': 1,
  // PostgreSQL
  'connection-failed': 1,
  'query-failed': 1,
} as const;

/** Code of an expected failure; see {@link exitCodeOf}. */
export type ErrorCode = keyof typeof exitCodeOf;
