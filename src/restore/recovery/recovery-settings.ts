import { quoteWord, quoteWords } from '../../shared/shell-words.ts';
import { formatLongTime } from '../../shared/timestamp.ts';
import { formatLsn } from '../../wal/lsn.ts';
import { historyNameOf } from '../../wal/timeline-history.ts';
import type { WalPlace } from '../plan/plan-destination.ts';
import type { RestoreRequest, TimelineChoice } from '../plan/restore-options.ts';
import { type RecoveryTarget, takesExclusive } from '../target/recovery-target.ts';

/** The settings with which the restored server recovers to its target. */
export interface RecoverySettings {
  /** File in the data folder, and whether it is one of the backup's that gets lines at its end. */
  readonly fileName: string;
  readonly isAppended: boolean;
  /** Every recovery setting that this restore does not use, as it is when nothing is said. They stand before the others: PostgreSQL refuses a second target. */
  readonly neutralised: readonly string[];
  readonly lines: readonly string[];
  /** Empty file that turns recovery on; none before PostgreSQL 12. */
  readonly signalName: 'recovery.signal' | 'standby.signal' | undefined;
}

export interface RecoveryWish {
  readonly version: number;
  readonly serverName: string;
  readonly target: RecoveryTarget;
  readonly isPitr: boolean;
  readonly timelineSetting: TimelineChoice | undefined;
  /** Consecutive timelines whose history files are not handed out as long as there is no newer one. */
  readonly hiddenTimelines?: readonly number[];
  readonly wal: WalPlace;
  /** Targets that files of the backup set, as they are spelled there: with another spelling they stay, and are a second target. */
  readonly includedTargets?: readonly string[];
  /** Full name of this host, for a server on another one. */
  readonly backupHost: string;
  readonly request: Pick<
    RestoreRequest,
    | 'isExclusive'
    | 'action'
    | 'standbyMode'
    | 'recoveryConfFilename'
    | 'restoreCommand'
    | 'programWords'
    | 'programUser'
    | 'remoteSshCommand'
    | 'recoveryOptionPort'
    | 'jobs'
  >;
}

/** Since this version recovery settings stand in the server's own configuration, where any file that it takes in may set them. */
export const signalsSince = 120_000;

interface NeutralSetting {
  readonly key: string;
  readonly value: string;
  /** The first version that does not know it any more. */
  readonly until?: number;
  /** The settings of a standby: whom it follows, and how. */
  readonly isKeptByStandby?: true;
}

/** Of these PostgreSQL takes one. */
export const targetSettings: readonly string[] = [
  'recovery_target',
  'recovery_target_time',
  'recovery_target_xid',
  'recovery_target_lsn',
  'recovery_target_name',
];

const neutralSettings: readonly NeutralSetting[] = [
  { key: 'restore_command', value: "''" },
  { key: 'recovery_end_command', value: "''" },
  { key: 'archive_cleanup_command', value: "''" },
  ...targetSettings.map((key) => ({ key, value: "''" })),
  { key: 'recovery_target_inclusive', value: 'on' },
  { key: 'recovery_target_timeline', value: 'latest' },
  { key: 'recovery_target_action', value: 'pause' },
  { key: 'promote_trigger_file', value: "''", until: 160_000 },
  { key: 'recovery_min_apply_delay', value: '0', isKeptByStandby: true },
  { key: 'primary_conninfo', value: "''", isKeptByStandby: true },
  { key: 'primary_slot_name', value: "''", isKeptByStandby: true },
];

/** Settings that a restore decides itself, whatever the configuration of the backup says about them. */
export function decidedSettings(version: number, standbyMode: boolean): ReadonlySet<string> {
  if (version < signalsSince) return new Set();
  return new Set(neutralFor(version, standbyMode).map(({ key }) => key));
}

/** Settings of the restored server (docs/reference/engine.md section 12.8); undefined when there is nothing to say: it then starts as after a crash. */
export function recoverySettings(wish: RecoveryWish): RecoverySettings | undefined {
  const { version, isPitr, wal, request } = wish;
  if (!isPitr && wal.kind !== 'fetched' && !request.standbyMode) return undefined;
  const lines = [...walLines(wish), ...targetLines(wish)];
  if (version < signalsSince) {
    const standby = request.standbyMode ? [setting('standby_mode', 'on')] : [];
    return {
      fileName: 'recovery.conf',
      isAppended: false,
      neutralised: [],
      lines: [...lines, ...standby],
      signalName: undefined,
    };
  }
  return {
    fileName: request.recoveryConfFilename ?? 'postgresql.auto.conf',
    isAppended: true,
    neutralised: neutralLines(wish, lines),
    lines,
    signalName: request.standbyMode ? 'standby.signal' : 'recovery.signal',
  };
}

function neutralLines({ version, includedTargets = [], request }: RecoveryWish, lines: readonly string[]): string[] {
  const isSaid = (key: string): boolean => lines.some((line) => line.startsWith(`${key} = `));
  const known = neutralFor(version, request.standbyMode);
  const spelled = includedTargets.filter((key) => known.every((one) => one.key !== key)).map((key) => ({ key, value: "''" }));
  return [...known, ...spelled].filter(({ key }) => !isSaid(key)).map(({ key, value }) => `${key} = ${value}`);
}

function neutralFor(version: number, standbyMode: boolean): readonly NeutralSetting[] {
  return neutralSettings.filter(
    ({ until = Number.POSITIVE_INFINITY, isKeptByStandby }) => version < until && !(standbyMode && isKeptByStandby === true),
  );
}

function walLines(wish: RecoveryWish): string[] {
  const { wal, request } = wish;
  switch (wal.kind) {
    case 'fetched':
      return request.remoteSshCommand === undefined || request.restoreCommand !== undefined
        ? fetchingLines(wish)
        : remoteFetchingLines(wish);
    case 'staged': {
      // Barman leaves these out for a standby, which then never finds the WAL that was copied for it
      const copying = `cp ${commandWord(wal.folder)}/%f %p`;
      return [setting('restore_command', copying), setting('recovery_end_command', `rm -fr ${commandWord(wal.folder)}`)];
    }
    case 'in-place':
      return [];
  }
}

function fetchingLines({ serverName, hiddenTimelines, request }: RecoveryWish): string[] {
  const { restoreCommand, programWords, programUser, standbyMode } = request;
  if (restoreCommand !== undefined) return [setting('restore_command', restoreCommand)];
  const program = commandWords(programWords);
  // a standby streams what is not complete yet; the word that falls away leaves its blank, as in Barman
  const isBarman = programWords.length === 1 && programWords[0] === 'barman';
  const flags = standbyMode ? '' : isBarman ? '-P' : '--strict -P';
  const fetching = (name: string, to: string): string =>
    [program, 'get-wal', flags, commandWord(serverName), name, '>', to].join(' ');
  const command = hiding(hiddenTimelines, (name) => fetching(name, '/dev/null')) + fetching('%f', '%p');
  const comment = `# The '${quoteWords(programWords)} get-wal' command must run as '${programUser}' user`;
  return [comment.replaceAll(/\p{Cc}/gu, ' '), setting('restore_command', command)];
}

/** A server on another host asks through ssh, with the helper of the program that did the restore (docs/reference/engine.md section 12.8). */
function remoteFetchingLines({ serverName, backupHost, hiddenTimelines, request }: RecoveryWish): string[] {
  const { programWords, programUser, standbyMode, recoveryOptionPort, jobs } = request;
  const isBarman = programWords.length === 1 && programWords[0] === 'barman';
  const program = isBarman ? 'barman-wal-restore' : 'pgcellar-wal-restore';
  const words = [
    program,
    ...(standbyMode ? [] : ['-P']),
    ...(isBarman ? [] : ['--strict', ...programWords.slice(1).map(commandWord)]),
    '-U',
    commandWord(programUser),
    ...(recoveryOptionPort === undefined ? [] : ['--port', String(recoveryOptionPort)]),
    commandWord(backupHost),
    commandWord(serverName),
  ];
  const fetching = (name: string, to: string): string => [...words, name, to].join(' ');
  const command =
    hiding(hiddenTimelines, (name) => `{ ${fetching(name, '%p.newer')} && rm -f %p.newer; }`) +
    [fetching('%f', '%p'), ...(jobs > 1 ? ['-p', String(jobs)] : [])].join(' ');
  const comment = isBarman
    ? "# The 'barman-wal-restore' command is provided in the 'barman-cli' package"
    : "# 'pgcellar-wal-restore' has to be installed on this host";
  return [comment, setting('restore_command', command)];
}

/**
 * The text before a command that fetches WAL, so that a server which follows the latest timeline passes over some that it does not descend from: it counts up
 * and would refuse to start on the last of them, but has to see them when a newer one follows.
 */
function hiding(timelines: readonly number[] = [], fetching: (name: string) => string): string {
  const [first, last] = [timelines[0], timelines.at(-1)];
  if (first === undefined || last === undefined) return '';
  return `case %f in ${historyNameOf(first)}) ${fetching(historyNameOf(last + 1))} || exit 1;; esac; `;
}

function targetLines({ version, target, timelineSetting, request }: RecoveryWish): string[] {
  const lines = pointLines(target);
  if (request.isExclusive && takesExclusive(target)) lines.push(setting('recovery_target_inclusive', 'False'));
  // before PostgreSQL 12 `current` is no value but what happens without the line
  const isImplied = timelineSetting === undefined || (timelineSetting === 'current' && version < signalsSince);
  if (!isImplied) lines.push(`recovery_target_timeline = ${String(timelineSetting)}`);
  if (request.action !== undefined) lines.push(setting('recovery_target_action', request.action));
  return lines;
}

function pointLines(target: RecoveryTarget): string[] {
  switch (target.kind) {
    case 'none':
      return [];
    case 'time':
      return [setting('recovery_target_time', formatLongTime(target.time))];
    case 'xid':
      return [setting('recovery_target_xid', target.xid)];
    case 'lsn':
      return [setting('recovery_target_lsn', formatLsn(target.lsn))];
    case 'name':
      return [setting('recovery_target_name', target.name)];
    case 'immediate':
      return [setting('recovery_target', 'immediate')];
  }
}

/** A line of a configuration file: PostgreSQL reads backslashes as escapes and two quotes as one. */
function setting(key: string, value: string): string {
  const escaped = value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `${key} = '${escaped}'`;
}

/** A word of `restore_command`: quoted for the shell, and a percent sign doubled for PostgreSQL. */
function commandWord(word: string): string {
  return quoteWord(word).replaceAll('%', '%%');
}

function commandWords(words: readonly string[]): string {
  return words.map(commandWord).join(' ');
}
