import { reservedBackupWords } from '../../catalog/backups/find-backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { declareCommand, type OptionValues } from '../command.ts';
import { forEachServer } from '../for-each-server.ts';

export const backupCommand = declareCommand({
  name: 'backup',
  summary: 'Take a base backup of servers',
  servers: 'many',
  whenInactive: 'skip',
  whenDisabled: 'error',
  whenPassive: 'skip',
  endsGracefully: true,
  options: [
    { name: 'immediate-checkpoint', kind: 'flag', summary: 'ask for a fast checkpoint at the start' },
    {
      name: 'no-immediate-checkpoint',
      kind: 'flag',
      flagValue: false,
      sharesWith: 'immediate-checkpoint',
      summary: 'wait for the next checkpoint',
    },
    {
      name: 'incremental',
      kind: 'text',
      metavar: 'backup_id',
      summary: 'copy only the blocks that changed since that backup: id, name, latest or latest-full',
    },
    {
      name: 'reuse-backup',
      kind: 'choice-or-bare',
      choices: ['copy', 'link', 'off'],
      bareValue: 'link',
      summary: 'take unchanged files of an rsync backup from the previous one',
    },
    { name: 'retry-times', kind: 'count', summary: 'number of times that copying is tried again' },
    { name: 'retry-sleep', kind: 'count', metavar: 'seconds', summary: 'pause before copying is tried again' },
    { name: 'no-retry', kind: 'flag', flagValue: 0, sharesWith: 'retry-times', summary: 'do not try again' },
    { name: 'jobs', short: 'j', kind: 'positive', summary: 'parallel copies of an rsync backup' },
    {
      name: 'jobs-start-batch-period',
      kind: 'positive',
      metavar: 'seconds',
      summary: 'time in which at most one batch of parallel copies is started',
    },
    { name: 'jobs-start-batch-size', kind: 'positive', summary: 'parallel copies in one batch' },
    { name: 'bwlimit', kind: 'count', metavar: 'kbps', summary: 'maximum kilobytes per second' },
    { name: 'wait', short: 'w', kind: 'flag', summary: 'wait until all WAL of the backup is archived' },
    { name: 'wait-timeout', kind: 'count', metavar: 'seconds', summary: 'give up waiting after this time' },
    {
      name: 'keepalive-interval',
      kind: 'count',
      metavar: 'seconds',
      summary: 'pause between the queries that keep the session of an rsync backup alive',
    },
    { name: 'name', kind: 'text', metavar: 'name', summary: 'a name for the backup', parse: backupName },
    { name: 'manifest', kind: 'flag', summary: 'write a manifest after an rsync backup' },
    { name: 'no-manifest', kind: 'flag', flagValue: false, sharesWith: 'manifest', summary: 'do not write a manifest' },
    {
      name: 'check-timeout',
      kind: 'count',
      metavar: 'seconds',
      summary: 'give up the checks before the backup after this time',
    },
    { name: 'cloud-staging-directory', kind: 'text', metavar: 'path', summary: 'for cloud destinations (not available yet)' },
    { name: 'cloud-staging-max-size', kind: 'text', metavar: 'size', summary: 'for cloud destinations (not available yet)' },
  ],
  examples: ['backup main', 'backup --wait --name before-upgrade main', 'backup --incremental latest main', 'backup all'],
  async run({ application, servers, options }) {
    refuseUnavailable(options);
    const { takeBackup } = await import('../../operations/backup/take-backup.ts');
    const { recordJson } = await import('../../output/render-backup-record.ts');
    const request = {
      name: options.text('name'),
      incremental: options.text('incremental'),
      isCheckpointFast: options.flagIfGiven('immediate-checkpoint'),
      kilobytesPerSecond: options.number('bwlimit'),
      retryTimes: options.number('retry-times'),
      retrySleepSeconds: options.number('retry-sleep'),
      reuse: reuseOption(options.text('reuse-backup')),
      jobs: options.number('jobs'),
      batchSize: options.number('jobs-start-batch-size'),
      batchSeconds: options.number('jobs-start-batch-period'),
      keepaliveSeconds: options.number('keepalive-interval'),
      writesManifest: options.flagIfGiven('manifest'),
      checkTimeoutSeconds: options.number('check-timeout'),
      waits: options.flag('wait'),
      waitTimeoutSeconds: options.number('wait-timeout') ?? 0,
    };
    await forEachServer(servers, application, async (server) => {
      const backup = await takeBackup(server, request, application.context);
      application.writer.print({ lines: [], json: recordJson(backup, 'backup') });
    });
  },
});

const notBuilt = ['cloud-staging-directory', 'cloud-staging-max-size'] as const;

function refuseUnavailable(options: OptionValues<(typeof notBuilt)[number]>): void {
  for (const name of notBuilt) {
    if (options.has(name))
      throw new OperatorError('not-available-yet', `backup --${name} is not available yet in pgcellar 0.1.0`);
  }
}

function reuseOption(word: string | undefined): 'off' | 'copy' | 'link' | undefined {
  if (word === undefined) return undefined;
  return word === 'off' || word === 'copy' ? word : 'link'; // bare, it means link
}

function backupName(text: string): string {
  const wrong = (reason: string, asBarman?: string): never => {
    throw new OperatorError('usage', reason, { asBarman });
  };
  if (text.trim() === '') wrong('a backup name cannot be empty', 'Backup name cannot be empty');
  if (/^\d{8}T\d{6}$/.test(text)) {
    wrong(`'${text}' has the form of a backup id`, `Backup name '${text}' is not allowed: backup ID`);
  }
  if (reservedBackupWords.some((word) => word === text)) wrong(`Backup name '${text}' is not allowed: reserved word`);
  if (/[\0-\x1f]/.test(text) || text !== text.trim()) wrong('a backup name is one line without blanks around it');
  return text;
}
