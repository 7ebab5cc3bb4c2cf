import type { ListedCommand } from './command.ts';

/** Every verb that works, by name; the declaration is loaded when it is asked for. A test compares this list with the folder. */
export const allCommands: readonly ListedCommand[] = [
  {
    name: 'adopt-barman',
    aliases: [],
    load: async () => (await import('./commands/adopt-barman.ts')).adoptBarmanCommand,
  },
  { name: 'archive-wal', aliases: [], load: async () => (await import('./commands/archive-wal.ts')).archiveWalCommand },
  { name: 'backup', aliases: [], load: async () => (await import('./commands/backup.ts')).backupCommand },
  { name: 'check', aliases: [], load: async () => (await import('./commands/check.ts')).checkCommand },
  {
    name: 'check-archived-wal-range',
    aliases: [],
    load: async () => (await import('./commands/check-archived-wal-range.ts')).checkArchivedWalRangeCommand,
  },
  { name: 'check-backup', aliases: [], load: async () => (await import('./commands/check-backup.ts')).checkBackupCommand },
  {
    name: 'check-wal-archive',
    aliases: [],
    load: async () => (await import('./commands/check-wal-archive.ts')).checkWalArchiveCommand,
  },
  { name: 'complete', aliases: [], load: async () => (await import('./commands/complete.ts')).completeCommand },
  { name: 'completion', aliases: [], load: async () => (await import('./commands/completion.ts')).completionCommand },
  {
    name: 'config-switch',
    aliases: [],
    load: async () => (await import('./commands/config-switch.ts')).configSwitchCommand,
  },
  {
    name: 'config-update',
    aliases: [],
    load: async () => (await import('./commands/config-update.ts')).configUpdateCommand,
  },
  { name: 'cron', aliases: [], load: async () => (await import('./commands/cron.ts')).cronCommand },
  { name: 'delete', aliases: [], load: async () => (await import('./commands/delete.ts')).deleteCommand },
  { name: 'diagnose', aliases: [], load: async () => (await import('./commands/diagnose.ts')).diagnoseCommand },
  { name: 'doctor', aliases: [], load: async () => (await import('./commands/doctor.ts')).doctorCommand },
  {
    name: 'export-backup',
    aliases: [],
    load: async () => (await import('./commands/export-backup.ts')).exportBackupCommand,
  },
  {
    name: 'generate-manifest',
    aliases: [],
    load: async () => (await import('./commands/generate-manifest.ts')).generateManifestCommand,
  },
  { name: 'get-wal', aliases: [], load: async () => (await import('./commands/get-wal.ts')).getWalCommand },
  {
    name: 'import-backup',
    aliases: [],
    load: async () => (await import('./commands/import-backup.ts')).importBackupCommand,
  },
  { name: 'init', aliases: [], load: async () => (await import('./commands/init.ts')).initCommand },
  { name: 'keep', aliases: [], load: async () => (await import('./commands/keep.ts')).keepCommand },
  {
    name: 'list-backups',
    aliases: ['list-backup'],
    load: async () => (await import('./commands/list-backups.ts')).listBackupsCommand,
  },
  { name: 'list-files', aliases: [], load: async () => (await import('./commands/list-files.ts')).listFilesCommand },
  {
    name: 'list-processes',
    aliases: ['list-process'],
    load: async () => (await import('./commands/list-processes.ts')).listProcessesCommand,
  },
  {
    name: 'list-servers',
    aliases: ['list-server'],
    load: async () => (await import('./commands/list-servers.ts')).listServersCommand,
  },
  {
    name: 'lock-directory-cleanup',
    aliases: [],
    load: async () => (await import('./commands/lock-directory-cleanup.ts')).lockDirectoryCleanupCommand,
  },
  { name: 'put-wal', aliases: [], load: async () => (await import('./commands/put-wal.ts')).putWalCommand },
  {
    name: 'rebuild-xlogdb',
    aliases: [],
    load: async () => (await import('./commands/rebuild-xlogdb.ts')).rebuildXlogdbCommand,
  },
  { name: 'receive-wal', aliases: [], load: async () => (await import('./commands/receive-wal.ts')).receiveWalCommand },
  {
    name: 'replication-status',
    aliases: [],
    load: async () => (await import('./commands/replication-status.ts')).replicationStatusCommand,
  },
  { name: 'restore', aliases: ['recover'], load: async () => (await import('./commands/restore.ts')).restoreCommand },
  { name: 'retention', aliases: [], load: async () => (await import('./commands/retention.ts')).retentionCommand },
  { name: 'schedule', aliases: [], load: async () => (await import('./commands/schedule.ts')).scheduleCommand },
  { name: 'send-wals', aliases: [], load: async () => (await import('./commands/send-wals.ts')).sendWalsCommand },
  {
    name: 'show-backup',
    aliases: ['show-backups'],
    load: async () => (await import('./commands/show-backup.ts')).showBackupCommand,
  },
  {
    name: 'show-cluster',
    aliases: [],
    load: async () => (await import('./commands/show-cluster.ts')).showClusterCommand,
  },
  {
    name: 'show-servers',
    aliases: ['show-server'],
    load: async () => (await import('./commands/show-servers.ts')).showServersCommand,
  },
  { name: 'status', aliases: [], load: async () => (await import('./commands/status.ts')).statusCommand },
  {
    name: 'switch-wal',
    aliases: ['switch-xlog'],
    load: async () => (await import('./commands/switch-wal.ts')).switchWalCommand,
  },
  {
    name: 'terminate-process',
    aliases: [],
    load: async () => (await import('./commands/terminate-process.ts')).terminateProcessCommand,
  },
  {
    name: 'verify-backup',
    aliases: ['verify'],
    load: async () => (await import('./commands/verify-backup.ts')).verifyBackupCommand,
  },
];

/** Verbs of the reference that are not built yet: asked for, they say so. */
export const laterCommands: readonly string[] = [
  'cloud-wal-archive',
  'cloud-wal-restore',
  'sync-backup',
  'sync-info',
  'sync-wals',
];

/** The command that a verb names; verbs cannot be abbreviated. */
export function findCommand(verb: string): ListedCommand | undefined {
  return allCommands.find(({ name, aliases }) => name === verb || aliases.includes(verb));
}
