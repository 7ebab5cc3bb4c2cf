import { backupCompressionOf, compressionProblems } from '../postgres/basebackup-compression.ts';
import { isConninfo } from '../postgres/conninfo.ts';
import { spoken, type Voice } from '../shared/voice.ts';
import { methodOf } from './backup-methods.ts';
import type { ServerOptions } from './options.ts';
import type { ServerName } from './server-config.ts';

/** Options with what is assumed where they leave something open, and the warnings about it. */
export interface Assumptions {
  readonly options: ServerOptions;
  readonly warnings: readonly string[];
}

/**
 * Problems of one server that its options show without asking anybody; each disables the server (docs/reference/config-checks-hooks.md section 5).
 * An inactive server connects to nothing and takes no backup, so only an active one can have them (docs/reference/since-3.17.md section 4); a passive
 * one has neither connections nor a backup method of its own.
 */
export function problemsOf(name: ServerName, options: ServerOptions, voice: Voice): readonly string[] {
  return foundIn(options).map(({ text, asBarman }) => {
    const own = `server '${name}': ${text}`;
    return spoken(own, { asBarman: asBarman?.(name) }, voice) ?? own;
  });
}

/** The lines of the server's section that would mend {@link problemsOf}, where a line can. */
export function settingsAgainstProblems(options: ServerOptions): readonly string[] {
  return foundIn(options).flatMap(({ setting }) => (setting === undefined ? [] : [setting]));
}

interface Problem {
  readonly text: string;
  /** Barman's text. */
  readonly asBarman?: (name: ServerName) => string;
  /** The remedy for it: `slot_name = pgcellar`. */
  readonly setting?: string;
}

/** Values that stand for what only the operator knows. */
const examples: Readonly<Record<string, string>> = {
  slot_name: 'pgcellar',
  conninfo: 'host=… user=pgcellar dbname=postgres',
  streaming_conninfo: 'host=… user=streaming_pgcellar',
  ssh_command: 'ssh postgres@…',
};

function missing(key: string, text: string, asBarman?: Problem['asBarman']): Problem {
  return { text, ...(asBarman === undefined ? {} : { asBarman }), setting: `${key} = ${examples[key] ?? '…'}` };
}

function foundIn(options: ServerOptions): readonly Problem[] {
  if (!takesPart(options)) return [];
  return [...connectionProblems(options), ...methodProblems(options), ...slotProblems(options)];
}

/** Turns an archiver on when none is, and settles how backups are begun; for servers that take backups themselves. */
export function assumptionsAbout(name: ServerName, options: ServerOptions, voice: Voice): Assumptions {
  if (!takesPart(options)) return { options, warnings: [] };
  const warnings: string[] = [];
  const warn = (text: string, asBarman: string): void => {
    warnings.push(spoken(text, { asBarman }, voice) ?? text);
  };
  const { streams, hasBackupMode } = methodOf(options);
  const isExclusive = options.backup_options.includes('exclusive_backup');
  const isConcurrent = options.backup_options.includes('concurrent_backup');
  if (streams && isExclusive)
    warn(
      `exclusive_backup is impossible with backup_method = ${options.backup_method} for server '${name}'`,
      `'exclusive_backup' is not a valid backup_option using ${options.backup_method} backup_method. Overriding with 'concurrent_backup'.`,
    );
  // a server whose files cannot be reached is disabled for that, and Barman settles nothing about its backups
  const isSettled = isExclusive || isConcurrent || !reachesFiles(options);
  if (hasBackupMode && !isSettled) {
    warn(
      `backup_options of server '${name}' names neither concurrent_backup nor exclusive_backup; concurrent_backup is assumed`,
      `No backup strategy set for server '${name}' (using default 'concurrent_backup').`,
    );
  }
  const hasArchiver = options.archiver || options.streaming_archiver;
  if (!hasArchiver) {
    warn(
      `No archiver is on for server '${name}': set archiver or streaming_archiver, or both`,
      `No archiver enabled for server '${name}'. Please turn on 'archiver', 'streaming_archiver' or both`,
    );
    warn(`archiver = on is assumed for server '${name}'`, "Forcing 'archiver = on'");
  }
  const backupOptions =
    !streams && (isExclusive || (hasBackupMode && !reachesFiles(options)))
      ? options.backup_options
      : (['concurrent_backup', ...options.backup_options.filter((word) => word === 'external_configuration')] as const);
  return { options: { ...options, archiver: options.archiver || !hasArchiver, backup_options: backupOptions }, warnings };
}

function reachesFiles({ ssh_command: sshCommand, ...options }: ServerOptions): boolean {
  const { usesSsh, readsLocalFiles } = methodOf(options);
  return usesSsh ? sshCommand !== undefined : !readsLocalFiles || sshCommand === undefined;
}

function takesPart(options: ServerOptions): boolean {
  return options.active && options.primary_ssh_command === undefined;
}

function connectionProblems(options: ServerOptions): readonly Problem[] {
  const problems = [...dsnProblems('conninfo', options.conninfo)];
  if (methodOf(options).streams || options.streaming_archiver) {
    // the default is conninfo: its problem has been told
    if (options.streaming_conninfo !== options.conninfo) {
      problems.push(...dsnProblems('streaming_conninfo', options.streaming_conninfo));
    }
  }
  return problems;
}

function slotProblems({ streaming_archiver, archiver, slot_name }: ServerOptions): readonly Problem[] {
  if (!streaming_archiver || archiver || slot_name !== undefined) return [];
  const asBarman = "Streaming-only archiver requires 'streaming_conninfo' and 'slot_name' options to be properly configured";
  const text = 'slot_name is missing; it is required when streaming_archiver is the only archiver';
  return [missing('slot_name', text, () => asBarman)];
}

/** The value itself is never repeated: it can hold a password. */
function dsnProblems(key: string, value: string | undefined): readonly Problem[] {
  if (value === undefined) {
    const connection = key === 'conninfo' ? 'PostgreSQL connection' : 'Streaming connection';
    return [missing(key, `${key} is missing`, (name) => `${connection}: Missing '${key}' parameter for server '${name}'`)];
  }
  return isConninfo(value)
    ? []
    : [missing(key, `${key} cannot be read: use blank separated key=value pairs or a postgresql:// URI`)];
}

function methodProblems(options: ServerOptions): readonly Problem[] {
  const { needs, excludes, streams, takesSnapshots } = methodOf(options);
  return [
    ...needed(options, needs),
    ...unusable(options, excludes),
    ...(streams ? backupCompressionProblems(options) : []),
    ...(takesSnapshots ? snapshotLockProblems(options).map((text) => ({ text })) : []),
  ];
}

/** Combinations that no version of PostgreSQL supports; `check` knows the versions and says the rest. */
function backupCompressionProblems(options: ServerOptions): readonly Problem[] {
  const compression = backupCompressionOf(options);
  return compression === undefined
    ? []
    : compressionProblems(compression).map(({ text, asBarman }) => ({
        text,
        ...(asBarman === undefined ? {} : { asBarman: () => asBarman }),
      }));
}

function snapshotLockProblems(options: ServerOptions): readonly string[] {
  const mode = options.aws_snapshot_lock_mode;
  const duration = options.aws_snapshot_lock_duration;
  const coolOff = options.aws_snapshot_lock_cool_off_period;
  const problems: string[] = [];
  if (duration !== undefined && options.aws_snapshot_lock_expiration_date !== undefined) {
    problems.push('aws_snapshot_lock_duration and aws_snapshot_lock_expiration_date exclude each other');
  }
  if (duration !== undefined && (duration < 1 || duration > 36_500)) {
    problems.push('aws_snapshot_lock_duration must be from 1 to 36500 days');
  }
  if (coolOff !== undefined && (coolOff < 1 || coolOff > 72)) {
    problems.push('aws_snapshot_lock_cool_off_period must be from 1 to 72 hours');
  }
  if (coolOff !== undefined && mode !== 'compliance') {
    problems.push('aws_snapshot_lock_cool_off_period needs aws_snapshot_lock_mode = compliance');
  }
  return problems;
}

/** The line that switches an option off, where an empty value does not. */
const offSettings: Readonly<Record<string, string>> = {
  reuse_backup: 'reuse_backup = off',
  network_compression: 'network_compression = off',
  backup_compression: '; backup_compression is left out',
};

function needed(options: ServerOptions, keys: readonly (keyof ServerOptions)[]): readonly Problem[] {
  return keys
    .filter((key) => options[key] === undefined)
    .map((key) =>
      missing(
        key,
        `${key} is missing; it is required with backup_method = ${options.backup_method}`,
        key === 'ssh_command'
          ? (name) => `Missing or invalid ssh_command in barman configuration for server ${name}`
          : undefined,
      ),
    );
}

function unusable(options: ServerOptions, keys: readonly (keyof ServerOptions)[]): readonly Problem[] {
  return keys
    .filter((key) => options[key] !== undefined && options[key] !== false && options[key] !== 'off')
    .map((key) => ({
      text: `${key} cannot be used with backup_method = ${options.backup_method}`,
      asBarman: (name) => unusableAsBarman(key, options.backup_method, name),
      setting: offSettings[key] ?? `${key} =`,
    }));
}

/** Barman calls both ways of copying files rsync here. */
function unusableAsBarman(key: string, method: ServerOptions['backup_method'], name: ServerName): string {
  return key === 'ssh_command'
    ? `Local copy requires ssh_command in barman configuration to be empty for server ${name}`
    : `${key} option is not supported by ${method === 'local-rsync' ? 'rsync' : method} backup_method`;
}
