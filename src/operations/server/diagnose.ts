import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { ConfigurationFiles } from '../../config/load-configuration.ts';
import { barmanServerOptionNames, declarationOf, ownServerOptionNames } from '../../config/options.ts';
import { isGlobalSection } from '../../config/sections.ts';
import type { Server } from '../../config/server.ts';
import type { Configuration, ModelConfig } from '../../config/server-config.ts';
import { formatRetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';
import type { Environment } from '../../shared/environment.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { messageOf } from '../../shared/operator-error.ts';
import { formatInterval } from '../../shared/units.ts';
import { localHost } from '../../transport/hosts/local-host.ts';
import { remoteHost } from '../../transport/hosts/remote-host.ts';
import type { Diagnosis, ServerDiagnosis, SourcedValues } from '../reports/diagnosis.ts';
import { readRemoteStatus } from './remote-status.ts';
import { readBackupHostFacts, readSystemFacts, type SystemFacts } from './system-facts.ts';

interface Subject {
  readonly configuration: Configuration;
  readonly servers: readonly Server[];
  readonly files: ConfigurationFiles;
  /** Our own version. */
  readonly version: string;
  /** Of programs that are no server's. */
  readonly environment: Environment;
}

const concurrentServers = 8;
/** A host that does not answer must not hold up the others. */
const hostTimeoutMs = 20_000;

/**
 * Collects everything that helps to find out what is wrong: configuration, catalogs, live state (docs/reference/cli.md section 11.5). What is broken is
 * part of the answer: it is told as a message of its server.
 */
export async function diagnose(
  { configuration, servers, files, version, environment }: Subject,
  context: Context,
): Promise<Diagnosis> {
  const diagnosed: ServerDiagnosis[] = [];
  await forEachConcurrently(servers, concurrentServers, async (server) => {
    diagnosed.push(await diagnoseServer(server, context));
  });
  await using host = localHost(environment);
  return {
    globalConfig: globalConfig(configuration, files),
    globalProblems: configuration.globalProblems,
    version,
    system: await readBackupHostFacts(host, context.clock),
    models: Object.fromEntries(configuration.models.map((model) => [model.name, modelConfig(model)])),
    servers: diagnosed.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

async function diagnoseServer(server: Server, context: Context): Promise<ServerDiagnosis> {
  const { config } = server;
  const messages: string[] = [...config.problems];
  const attempt = async <T>(work: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      messages.push(messageOf(error)); // also of what only a bug of ours can be: it is one server's, and others are asked for too
      return otherwise;
    }
  };
  const records = await attempt(() => readBackupRecords(server.layout), { backups: [], broken: [] });
  messages.push(...records.broken.map(({ reason }) => reason.message));
  const isAsked = config.isActive && !config.isPassive;
  return {
    name: config.name,
    activeModel: config.activeModel,
    config: serverConfig(server),
    ownConfig: optionValues(server, ownServerOptionNames),
    backups: records.backups,
    status: isAsked ? await attempt(() => readRemoteStatus(server, context), {}) : {},
    system: await attempt(() => remoteFacts(server), undefined),
    lastWals: await attempt(() => lastWals(server), []),
    messages,
  };
}

function globalConfig({ path, global }: Configuration, { sections }: ConfigurationFiles): SourcedValues {
  const written = sections.find(isGlobalSection)?.settings ?? new Map<string, { text: string; file: string }>();
  const derived = {
    barman_lock_directory: global.barman_lock_directory,
    config_changes_queue: global.config_changes_queue,
    lock_directory_cleanup: global.lock_directory_cleanup,
  };
  const sourceOf = (key: string) => written.get(key)?.file ?? 'default';
  return {
    ...Object.fromEntries(
      [...written].map(([key, { text, file }]) => [key, { value: text, source: file === '' ? path : file }]),
    ),
    ...Object.fromEntries(Object.entries(derived).map(([key, value]) => [key, { value, source: sourceOf(key) }])),
  };
}

function modelConfig({ options, sources, cluster }: ModelConfig): SourcedValues {
  const keys = barmanServerOptionNames.filter((key) => declarationOf(key).scope.endsWith('M') || key === 'disabled');
  const source = sources.cluster ?? 'default';
  return {
    ...Object.fromEntries(keys.map((key) => [key, { value: options[key] ?? null, source: sources[key] ?? 'default' }])),
    cluster: { value: cluster, source },
    model: { value: true, source },
  };
}

type OptionNames = typeof barmanServerOptionNames;

function optionValues({ config }: Server, names: OptionNames): SourcedValues {
  return Object.fromEntries(
    names.map((key) => [key, { value: optionValue(config, key), source: config.sources[key] ?? 'default' }]),
  );
}

function serverConfig(server: Server): SourcedValues {
  const { config } = server;
  return {
    ...optionValues(server, barmanServerOptionNames),
    disabled: { value: config.problems.length > 0, source: 'default' },
    name: { value: config.name, source: 'default' },
  };
}

/** As the reference's JSON has it: sets are comma lists, intervals words, policies their text. */
function optionValue({ options, retention }: Server['config'], key: OptionNames[number]): unknown {
  const value = options[key];
  if (value === undefined) return null;
  if (key === 'backup_options' || key === 'recovery_options') return options[key].join(',');
  if (key === 'last_backup_maximum_age' || key === 'last_wal_maximum_age') return formatInterval(Number(value));
  if (key === 'retention_policy') return retention.kind === 'enforced' ? formatRetentionPolicy(retention.policy) : null;
  if (key === 'wal_retention_policy' && retention.kind === 'enforced') return 'MAIN';
  return value;
}

async function remoteFacts({ config, environment }: Server): Promise<SystemFacts | undefined> {
  const { ssh_command: sshCommand } = config.options;
  if (sshCommand === undefined || !config.isActive) return undefined;
  await using host = remoteHost({ sshCommand, environment });
  return await readSystemFacts(host, AbortSignal.timeout(hostTimeoutMs));
}

async function lastWals({ layout }: Server): Promise<readonly WalEntry[]> {
  const ledger = await readLedger(layout);
  return ledger.timelines.flatMap((wal) => {
    const entry = ledger.entryOf(wal.nameAt(wal.count - 1));
    return entry === undefined ? [] : [entry];
  });
}
