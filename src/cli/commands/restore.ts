import { combineModes } from '../../restore/fill/combine-chain.ts';
import { allowances } from '../../restore/guards/refusals.ts';
import type { NamedStaging, NotBuiltOptions } from '../../restore/plan/restore-options.ts';
import type { Messages } from '../../shared/messages.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { Application } from '../assemble.ts';
import { declareCommand, type OptionValues } from '../command.ts';

const actions = ['pause', 'shutdown', 'promote'] as const;

export const restoreCommand = declareCommand({
  name: 'restore',
  aliases: ['recover'],
  summary: 'Restore a backup into an empty folder, up to any point in time',
  servers: 'one',
  whenDisabled: 'error',
  endsGracefully: true,
  arguments: [
    { name: 'backup_id', summary: 'id, name or shortcut; auto chooses the one that fits the target' },
    { name: 'destination_directory', summary: 'data folder of the restored server' },
  ],
  options: [
    {
      name: 'target-tli',
      kind: 'text',
      metavar: 'timeline',
      summary: 'timeline: a number, current or latest',
      parse: timeline,
    },
    {
      name: 'target-time',
      kind: 'text',
      metavar: 'time',
      summary: 'stop at this time: YYYY-MM-DD HH:MM:SS[.ffffff], then +HH:MM or the name of a zone',
    },
    { name: 'target-xid', kind: 'text', metavar: 'xid', summary: 'stop at this transaction' },
    { name: 'target-lsn', kind: 'text', metavar: 'lsn', summary: 'stop at this WAL position' },
    { name: 'target-name', kind: 'text', metavar: 'name', summary: 'stop at this restore point' },
    { name: 'target-immediate', kind: 'flag', summary: 'stop as soon as the backup is consistent' },
    { name: 'exclusive', kind: 'flag', summary: 'stop just before the target instead of just after it' },
    {
      name: 'target-action',
      kind: 'choice',
      choices: [...actions],
      wrongChoiceAsBarman: (text: string) => `'${text}' is not a valid recovery target action`,
      summary: 'action of the server at the target',
    },
    { name: 'standby-mode', kind: 'flag', summary: 'make the restored server a standby' },
    { name: 'tablespace', kind: 'text', metavar: 'name:location', isRepeatable: true, summary: 'put a tablespace elsewhere' },
    { name: 'get-wal', kind: 'flag', summary: 'let the restored server fetch WAL when it needs it' },
    { name: 'no-get-wal', kind: 'flag', flagValue: false, sharesWith: 'get-wal', summary: 'copy the WAL now' },
    { name: 'partial-wal', kind: 'flag', summary: 'also copy segments that were still being received' },
    { name: 'skip-archive-wal', kind: 'flag', summary: 'do not archive waiting WAL before the restore' },
    { name: 'restore-command', kind: 'text', metavar: 'command', summary: 'restore_command to write with --get-wal' },
    { name: 'staging-wal-directory', kind: 'text', metavar: 'folder', summary: 'folder for the WAL that the target needs' },
    { name: 'recovery-conf-filename', kind: 'text', metavar: 'name', summary: 'file that gets the recovery settings' },
    { name: 'bwlimit', kind: 'count', metavar: 'kbps', summary: 'maximum kilobytes per second' },
    { name: 'retry-times', kind: 'count', summary: 'number of times that copying is tried again' },
    { name: 'retry-sleep', kind: 'count', metavar: 'seconds', summary: 'pause before copying is tried again' },
    { name: 'no-retry', kind: 'flag', flagValue: 0, sharesWith: 'retry-times', summary: 'do not try again' },
    { name: 'remote-ssh-command', kind: 'text', metavar: 'command', summary: 'restore to the host of this ssh command' },
    {
      name: 'recovery-option-port',
      kind: 'count',
      metavar: 'port',
      summary: 'ssh port of this host, for the restore_command of another one',
    },
    { name: 'delta-restore', kind: 'flag', summary: 'bring an older copy of the cluster to the state of the backup' },
    { name: 'no-delta-restore', kind: 'flag', flagValue: false, sharesWith: 'delta-restore', summary: 'copy everything' },
    { name: 'network-compression', kind: 'flag', summary: 'compress on the way to another host' },
    {
      name: 'no-network-compression',
      kind: 'flag',
      flagValue: false,
      sharesWith: 'network-compression',
      summary: 'do not compress',
    },
    { name: 'jobs', short: 'j', kind: 'positive', summary: 'parallel copies' },
    {
      name: 'jobs-start-batch-period',
      kind: 'positive',
      metavar: 'seconds',
      summary: 'time in which only a batch of copies is started',
    },
    { name: 'jobs-start-batch-size', kind: 'positive', summary: 'copies in such a batch' },
    {
      name: 'staging-path',
      kind: 'text',
      metavar: 'folder',
      summary: 'folder for unpacking and combining backups (default: /tmp)',
    },
    {
      name: 'staging-location',
      kind: 'choice',
      choices: ['local', 'remote'],
      summary: 'host for unpacking and combining backups',
    },
    {
      name: 'recovery-staging-path',
      kind: 'text',
      metavar: 'folder',
      summary: 'older name of --staging-path',
    },
    {
      name: 'local-staging-path',
      kind: 'text',
      metavar: 'folder',
      summary: 'older name of --staging-path',
    },
    {
      name: 'combine-mode',
      kind: 'choice',
      choices: [...combineModes],
      wrongChoiceAsBarman: (text: string) => `invalid parse_combine_mode value: '${text}'`,
      summary: 'how pg_combinebackup transfers files of incremental backups',
    },
    { name: 'dry-run', kind: 'flag', summary: 'print the plan, and every reason to refuse it; change nothing' },
    { name: 'start', kind: 'flag', summary: 'start the restored server on a private socket and watch it reach the target' },
    {
      name: 'allow',
      kind: 'choice',
      choices: [...allowances],
      isRepeatable: true,
      summary: 'override this check',
    },
    { name: 'snapshot-recovery-instance', kind: 'text', summary: 'for snapshot backups (not available yet)' },
    { name: 'snapshot-recovery-zone', kind: 'text', summary: 'for snapshot backups (not available yet)' },
    { name: 'gcp-zone', kind: 'text', summary: 'for snapshot backups (not available yet)' },
    { name: 'azure-resource-group', kind: 'text', summary: 'for snapshot backups (not available yet)' },
    { name: 'aws-region', kind: 'text', summary: 'for snapshot backups (not available yet)' },
  ],
  examples: [
    'restore main latest /srv/restored',
    "restore --target-time '2026-11-23 14:05:00' --target-action promote main auto /srv/restored",
    'restore --target-immediate --tablespace fast:/srv/fast main before-upgrade /srv/restored',
  ],
  async run({ application, servers: [server], positionals: [backup = '', destination = ''], options }) {
    if (server === undefined) return;
    const { executeRestore } = await import('../../operations/restoring/execute-restore.ts');
    const { openRestoreHosts } = await import('../../operations/restoring/open-restore-hosts.ts');
    const { prepareRestore } = await import('../../operations/restoring/prepare-restore.ts');
    const { archiveWal } = await import('../../operations/wal/archive-wal.ts');
    const { configuredStaging, restoreDefaults, stagingOf } = await import('../../restore/plan/restore-options.ts');
    const { renderRestorePlan } = await import('../../output/render-restore-plan.ts');
    const { renderRestoreReport } = await import('../../output/render-restore-report.ts');
    const { context, configuration, programName } = application;
    const defaults = restoreDefaults(server.config);
    const configuredLocation = server.config.options.staging_location === 'remote' ? 'remote' : undefined;
    const staging = stagingOf(stagingNamedIn(options, context.messages) ?? configuredStaging(server.config), {
      location: stagingLocationOf(options) ?? configuredLocation,
      isRemote: options.has('remote-ssh-command'),
    });
    const request = {
      backup,
      destination,
      targetTimeline: timelineOf(options),
      targetTime: options.text('target-time'),
      targetXid: options.text('target-xid'),
      targetLsn: options.text('target-lsn'),
      targetName: options.text('target-name'),
      isImmediate: options.flag('target-immediate'),
      isExclusive: options.flag('exclusive'),
      action: actions.find((word) => word === options.text('target-action')),
      tablespaces: tablespacesOf(options.texts('tablespace')),
      fetchesWal: options.flagIfGiven('get-wal') ?? defaults.fetchesWal,
      standbyMode: options.flag('standby-mode'),
      stagingWalDirectory: options.text('staging-wal-directory'),
      kilobytesPerSecond: options.number('bwlimit') ?? defaults.kilobytesPerSecond,
      retryTimes: options.number('retry-times') ?? defaults.retryTimes,
      retrySleepSeconds: options.number('retry-sleep') ?? defaults.retrySleepSeconds,
      recoveryConfFilename: options.text('recovery-conf-filename'),
      restoreCommand: options.text('restore-command'),
      takesPartialWal: options.flag('partial-wal'),
      skipsArchiving: options.flag('skip-archive-wal'),
      programWords: programName === 'barman' ? ['barman'] : [application.script, '-c', application.configurationPath],
      programUser: configuration.global.barman_user,
      ...staging,
      combineMode: combineModes.find((mode) => mode === options.text('combine-mode')) ?? defaults.combineMode,
      startsServer: options.flag('start'),
      remoteSshCommand: options.text('remote-ssh-command'),
      isDelta: options.flagIfGiven('delta-restore') ?? defaults.isDelta,
      usesNetworkCompression: compressionOf(options) ?? defaults.usesNetworkCompression,
      jobs: options.number('jobs') ?? defaults.jobs,
      jobsStartBatchSize: options.number('jobs-start-batch-size') ?? defaults.jobsStartBatchSize,
      jobsStartBatchPeriodSeconds: options.number('jobs-start-batch-period') ?? defaults.jobsStartBatchPeriodSeconds,
      recoveryOptionPort: options.number('recovery-option-port'),
      allowed: new Set(allowances.filter((word) => options.texts('allow').includes(word))),
      notBuilt: notBuiltOf(options),
    };
    const isDryRun = options.flag('dry-run');
    const archivePending = async (): Promise<void> => {
      await archiveWal(server, { isQuiet: true }, context);
    };
    await using hosts = openRestoreHosts(server, request, context);
    const plan = await prepareRestore({ server, request, hosts, isDryRun, archivePending }, context);
    // scripts that call it by Barman's name parse Barman's output
    const isRefused = plan.refusals.length > 0;
    if (isDryRun || (programName !== 'barman' && !isRefused)) application.writer.print(renderRestorePlan(plan));
    // a run that is refused says why, and nothing else
    if (isDryRun) for (const warning of plan.warnings) context.messages.warning(warning);
    for (const refusal of toldRefusals(plan.refusals, application)) application.tellFailure(refusal);
    if (isDryRun || isRefused) return;
    application.writer.print(renderRestoreReport(await executeRestore({ server, plan, hosts }, context)));
    if (!request.startsServer) return;
    const { startRestored } = await import('../../operations/restoring/start-restored.ts');
    const { renderStartReport } = await import('../../output/render-start-report.ts');
    const report = await startRestored(server, plan, context);
    application.writer.print(renderStartReport(report));
    if (!report.hasReachedTarget)
      application.tellFailure(
        new OperatorError('target-unreachable', 'the restored server did not reach its target', {
          hint: `its log is ${report.logFile}`,
        }),
      );
  },
});

/** Barman ends with the first reason that it finds; what it has no words for is told in ours. */
function toldRefusals(refusals: readonly OperatorError[], { voice, context: { log } }: Application): readonly OperatorError[] {
  const first = voice === 'barman' ? refusals.find(({ asBarman }) => asBarman !== undefined) : undefined;
  if (first === undefined) return refusals;
  for (const other of refusals) if (other !== first) log.error(other.message);
  return [first];
}

type NotBuilt = 'snapshot-recovery-instance' | 'snapshot-recovery-zone' | 'gcp-zone' | 'azure-resource-group' | 'aws-region';

function notBuiltOf(options: OptionValues<NotBuilt>): NotBuiltOptions {
  return {
    snapshotRecoveryInstance: options.text('snapshot-recovery-instance'),
    snapshotRecoveryZone: options.text('snapshot-recovery-zone'),
    gcpZone: options.text('gcp-zone'),
    azureResourceGroup: options.text('azure-resource-group'),
    awsRegion: options.text('aws-region'),
  };
}

function stagingLocationOf(options: OptionValues<'staging-location' | 'remote-ssh-command'>): 'local' | 'remote' | undefined {
  const location = options.text('staging-location');
  if (location === 'remote' && !options.has('remote-ssh-command'))
    throw new OperatorError('options-contradict', '--staging-location remote needs --remote-ssh-command', {
      asBarman: '--staging-location as remote requires --remote-ssh-command to be set',
    });
  return location === 'local' || location === 'remote' ? location : undefined;
}

function compressionOf(options: OptionValues<'network-compression' | 'remote-ssh-command'>): boolean | undefined {
  const compresses = options.flagIfGiven('network-compression');
  if (compresses === true && !options.has('remote-ssh-command'))
    throw new OperatorError('options-contradict', '--network-compression needs --remote-ssh-command');
  return compresses;
}

type StagingPath = 'staging-path' | 'recovery-staging-path' | 'local-staging-path';

/** Undefined when the command line names no folder: then the configuration does. */
function stagingNamedIn(options: OptionValues<StagingPath>, messages: Pick<Messages, 'warning'>): NamedStaging | undefined {
  const path = absolutePathOf(options, 'staging-path');
  for (const older of ['recovery-staging-path', 'local-staging-path'] as const) {
    if (!options.has(older)) continue;
    messages.warning(`--${older} is the older name of --staging-path${path === undefined ? '' : ', which counts'}`, {
      asBarman: null,
    });
  }
  const [recoveryPath, localPath] = [
    absolutePathOf(options, 'recovery-staging-path'),
    absolutePathOf(options, 'local-staging-path'),
  ];
  return path === undefined && recoveryPath === undefined && localPath === undefined
    ? undefined
    : { path, recoveryPath, localPath };
}

function timelineOf(options: OptionValues<'target-tli'>): number | 'current' | 'latest' | undefined {
  const word = options.text('target-tli');
  return word === 'current' || word === 'latest' ? word : options.number('target-tli');
}

function timeline(text: string): string | number {
  if (text === 'current' || text === 'latest') return text;
  if (/^0*[1-9]\d*$/.test(text)) return Number(text);
  const asBarman = `'${text}' is not a valid ${/^[+-]?\d+$/.test(text) ? 'positive integer' : 'input'}`;
  throw new OperatorError('usage', `'${text}' is not a valid positive integer, 'current' or 'latest'`, { asBarman });
}

function absolutePathOf(options: OptionValues<StagingPath>, name: StagingPath): string | undefined {
  const text = options.text(name);
  if (text === undefined || text.startsWith('/')) return text;
  throw new OperatorError('target-invalid', `--${name}: '${text}' is not an absolute path`, {
    asBarman: `Cannot parse ${name.replaceAll('-', ' ')}: Invalid value : '${text}' (must be an absolute path)`,
  });
}

/** Locations are absolute: a name ends before the first colon with a slash behind it, as far as can be known without the names that there are. */
function tablespacesOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, location] = /^(.+?):(\/.*)$/s.exec(pair) ?? /^([^:]+):(.+)$/s.exec(pair) ?? [];
      if (name === undefined || location === undefined) {
        throw new OperatorError('target-invalid', `Tablespace rules are not in the form NAME:LOCATION: '${pair}'`, {
          asBarman: [
            `Invalid tablespace relocation rule '${pair}'`,
            'HINT: The valid syntax for a relocation rule is NAME:LOCATION',
          ],
        });
      }
      return [name, location];
    }),
  );
}
