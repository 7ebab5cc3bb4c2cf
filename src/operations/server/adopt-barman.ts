import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { idsOf } from '../../catalog/backups/backup-records.ts';
import { serverLockPath } from '../../catalog/server-layout.ts';
import { codecFor } from '../../compression/all-codecs.ts';
import type { Server } from '../../config/server.ts';
import type { Configuration } from '../../config/server-config.ts';
import { unavailableOptionsInUse } from '../../config/unavailable-options-in-use.ts';
import { writeFileDurably } from '../../shared/durable-file.ts';
import { readLockOwner } from '../../shared/file-lock.ts';
import { isMissing, namesIn, pathExists } from '../../shared/look.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import { findProgram } from '../../transport/programs/find-program.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';

/** A server of Barman as its home and its locks tell. */
export interface AdoptedServer {
  readonly name: string;
  readonly method: string;
  readonly wal: readonly string[];
  /** Folders of backups in its catalog, whatever their state. */
  readonly backups: number;
  readonly receiverPid: number | undefined;
  /** Differences that this configuration meets. */
  readonly differences: readonly string[];
}

/** A line of a crontab that runs Barman. */
interface CronLine {
  readonly path: string;
  readonly text: string;
}

/** Everything that is known before a switch; reading it changes nothing, neither in the home nor elsewhere. */
export interface AdoptionFacts {
  readonly configurationPath: string;
  readonly owner: string;
  readonly home: string;
  readonly servers: readonly AdoptedServer[];
  readonly cronLines: readonly CronLine[];
  /** Differences and warnings of the configuration as a whole. */
  readonly differences: readonly string[];
  readonly missing: readonly string[];
  /** systemd runs, and the units of pgcellar are installed. */
  readonly hasUnits: boolean;
  /** Path of our program, for cron. */
  readonly program: string;
}

/** The switch as it would be made. */
export interface AdoptionPlan {
  readonly facts: AdoptionFacts;
  /** Files that `--apply` writes, with their text. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Commands that `--apply` runs afterwards. */
  readonly commands: readonly (readonly string[])[];
  readonly toSwitch: readonly string[];
  readonly toGoBack: readonly string[];
}

interface Reading {
  readonly configuration: Configuration;
  readonly servers: readonly Server[];
  /** A configuration of ours that would be found before Barman's. */
  readonly shadowedBy: string | undefined;
  readonly program: string;
  /** Root of the file system. */
  readonly root: string;
}

/** Reads what there is of a Barman: configuration, home, receivers, crontabs, programs. */
export async function readAdoptionFacts({
  configuration,
  servers,
  shadowedBy,
  program,
  root,
}: Reading): Promise<AdoptionFacts> {
  const { path, global, globalWarnings } = configuration;
  return {
    configurationPath: path,
    owner: global.barman_user,
    home: global.barman_home,
    servers: await Promise.all(servers.map(readServer)),
    cronLines: await readCronLines(root, global.barman_user),
    differences: globalWarnings,
    missing: [
      ...(shadowedBy === undefined ? [] : [`${shadowedBy} is read before ${path}: remove it, or set PGCELLAR_CONFIG_FILE`]),
      ...(await missingOwner(global.barman_home, global.barman_user, root)),
      ...(await missingPrograms(servers)),
    ],
    hasUnits: await hasUnits(root),
    program,
  };
}

async function readServer(server: Server): Promise<AdoptedServer> {
  const { config, layout } = server;
  const { options } = config;
  return {
    name: config.name,
    method: options.backup_method,
    wal: [...(options.streaming_archiver ? ['streaming'] : []), ...(options.archiver ? ['archive_command'] : [])],
    backups: idsOf(layout).length,
    receiverPid: await readLockOwner(serverLockPath(layout, 'receive-wal')),
    differences: [
      ...config.problems,
      ...config.warnings,
      ...config.assumptions,
      ...unavailableOptionsInUse(config).map(({ message }) => message),
      ...rules.filter(({ applies }) => applies(server)).map(({ words }) => words(server)),
    ],
  };
}

interface Rule {
  readonly applies: (server: Server) => boolean;
  readonly words: (server: Server) => string;
}

/** Options that mean something else than in Barman where they are in use (docs/differences-from-barman.md). */
const rules: readonly Rule[] = [
  {
    applies: ({ config }) => config.options.backup_method === 'rsync',
    words: ({ config }) =>
      `ssh checks the host key as known_hosts says, where Barman accepts any: try  ${config.options.ssh_command ?? 'ssh …'} true  as its user`,
  },
  {
    applies: (server) => hooksOf(server).length > 0,
    words: (server) =>
      `${hooksOf(server).join(', ')}: run as in Barman, but a script ends when its command is killed, and BARMAN_ERROR is a sentence`,
  },
  {
    applies: ({ config }) => config.options.encryption === 'gpg',
    words: () => 'encryption = gpg: nothing is archived while encryption_key_id is missing, rather than in clear',
  },
  {
    applies: ({ config }) => config.options.compression === 'zstd',
    words: () => 'compression = zstd: the level medium is faster and packs a little tighter; Barman reads it',
  },
];

function hooksOf({ config }: Server): readonly string[] {
  return Object.keys(config.sources).filter((key) => key.endsWith('_script'));
}

/** Lines of system crontabs, and of the owner's, that run Barman's maintenance or backups. */
async function readCronLines(root: string, owner: string): Promise<readonly CronLine[]> {
  const folder = join(root, 'etc/cron.d');
  // cron passes over names with a dot
  const names = (await namesIn(folder)).filter((name) => !name.includes('.') && !name.startsWith('pgcellar')).toSorted();
  const paths = [
    ...names.map((name) => join(folder, name)),
    join(root, 'etc/crontab'),
    join(root, 'var/spool/cron/crontabs', owner),
  ];
  const texts = await Promise.all(paths.map(async (path) => ({ path, text: await readIfThere(path) })));
  return texts.flatMap(({ path, text }) =>
    text
      .split('\n')
      .filter((line) => !line.trimStart().startsWith('#') && /\bbarman\b.*\b(?:cron|backup)\b/.test(line))
      .map((line) => ({ path, text: line.trim() })),
  );
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error) || systemCodeOf(error) === 'EACCES') return '';
    throw error;
  }
}

async function missingOwner(home: string, owner: string, root: string): Promise<readonly string[]> {
  const line = (await readIfThere(join(root, 'etc/passwd'))).split('\n').find((entry) => entry.startsWith(`${owner}:`));
  if (line === undefined) return [`the user ${owner} of barman_user does not exist`];
  if (!(await pathExists(home))) return [`the home ${home} does not exist`];
  const { uid } = await stat(home);
  return uid === Number(line.split(':')[2]) ? [] : [`the home ${home} does not belong to ${owner}`];
}

/** Programs besides those of PostgreSQL, which `check` looks for. */
async function missingPrograms(servers: readonly Server[]): Promise<readonly string[]> {
  const wanted = servers.flatMap((server) => programsOf(server).map((name) => ({ name, server })));
  const found = await Promise.all(
    wanted.map(async ({ name, server }) => ({ name, server, path: await findProgram(name, server.programPath) })),
  );
  const missing = found.filter(({ path }) => path === undefined);
  return [...new Set(missing.map(({ name, server }) => `the program ${name}, which ${server.config.name} needs`))];
}

function programsOf({ config: { options } }: Server): readonly string[] {
  const codec = codecFor(options.compression ?? '');
  return [
    ...['flock', 'setpriv'],
    ...(options.backup_method === 'rsync' ? ['rsync', 'ssh'] : []),
    ...(options.backup_method === 'local-rsync' ? ['rsync'] : []),
    ...(options.encryption === 'gpg' ? ['gpg'] : []),
    ...(codec?.program === undefined ? [] : [codec.program.name]),
  ];
}

async function hasUnits(root: string): Promise<boolean> {
  if (!(await pathExists(join(root, 'run/systemd/system')))) return false;
  const folders = ['usr/lib/systemd/system', 'etc/systemd/system'];
  const found = await Promise.all(folders.map((folder) => pathExists(join(root, folder, 'pgcellar-cron.timer'))));
  return found.includes(true);
}

/** The commands of the switch and of the way back, and the only files that `--apply` writes. */
export function planAdoption(facts: AdoptionFacts): AdoptionPlan {
  const { owner, cronLines, servers, hasUnits: byUnits, program } = facts;
  const receivers = servers.filter(({ wal }) => wal.includes('streaming')).map(({ name }) => name);
  const handOver =
    receivers.length === 0
      ? []
      : [`for s in ${receivers.join(' ')}; do pgcellar terminate-process $s receive-wal; done; pgcellar cron`];
  const crontabs = [...new Set(cronLines.map(({ path }) => path))];
  const backups = cronLines.filter(isBackup).map((line) => ownLine(line, owner, program));
  const dropIn = { path: unitDropIn, text: `[Service]\nUser=${owner}\n` };
  const maintenance = byUnits ? [] : [`* * * * * ${owner} ${program} -q cron`];
  const head = `# written by pgcellar adopt-barman: the maintenance of the home of ${owner}, and the backups of its crontabs`;
  const lines = [...maintenance, ...backups];
  const entry = { path: cronEntry, text: `${[head, ...lines].join('\n')}\n` };
  return {
    facts,
    files: [...(byUnits ? [dropIn] : []), ...(lines.length > 0 ? [entry] : [])],
    commands: byUnits
      ? [
          ['systemctl', 'daemon-reload'],
          ['systemctl', 'enable', '--now', 'pgcellar-cron.timer'],
        ]
      : [],
    // the crontabs say which backups to take along, so they are read before they are turned off; locks exclude both programs meanwhile
    toSwitch: ['pgcellar adopt-barman --apply', ...joined(crontabs.map((path) => silence(path, owner))), ...handOver],
    toGoBack: [
      ...joined([
        ...(byUnits ? [`systemctl disable --now pgcellar-cron.timer; rm ${unitDropIn}`] : []),
        ...(lines.length > 0 ? [`rm ${cronEntry}`] : []),
        ...crontabs.map((path) => wake(path, owner)),
      ]),
      ...(receivers.length === 0
        ? []
        : [`for s in ${receivers.join(' ')}; do pgcellar terminate-process $s receive-wal; done; barman cron`]),
    ],
  };
}

function isBackup({ text }: CronLine): boolean {
  return callOfBarman('backup').test(text);
}

/** `barman`, whatever its path, that is called with a verb and perhaps options before it. */
function callOfBarman(verb: string): RegExp {
  return new RegExp(`(?<=^|[\\s;&|(])(?:\\S*/)?barman(?=(?:\\s+-\\S+)*(?:\\s+\\S+\\.conf)?(?:\\s+-\\S+)*\\s+${verb}\\b)`, 'g');
}

/** The line of a crontab that takes a backup, as it stands in cron.d with our program. */
function ownLine({ path, text }: CronLine, owner: string, program: string): string {
  const ours = text.replaceAll(callOfBarman('backup'), program);
  const isOfUser = path.endsWith(`/crontabs/${owner}`);
  return isOfUser ? ours.replace(/^(@\S+|(?:\S+\s+){4}\S+)\s+/, `$1 ${owner} `) : ours;
}

const cronEntry = '/etc/cron.d/pgcellar-barman';
const unitDropIn = '/etc/systemd/system/pgcellar-cron.service.d/adopt-barman.conf';

function joined(commands: readonly string[]): readonly string[] {
  return commands.length === 0 ? [] : [commands.join(' && ')];
}

/** Cron passes over files of cron.d whose name has a dot. */
function silence(path: string, owner: string): string {
  if (path.includes('/cron.d/')) return `mv ${path} ${path}.off`;
  if (path.endsWith('/crontab')) return `sed -i '/barman/s/^[^#]/#&/' ${path}`;
  return `crontab -u ${owner} -l | sed '/barman/s/^[^#]/#&/' | crontab -u ${owner} -`;
}

function wake(path: string, owner: string): string {
  if (path.includes('/cron.d/')) return `mv ${path}.off ${path}`;
  if (path.endsWith('/crontab')) return `sed -i '/barman/s/^#//' ${path}`;
  return `crontab -u ${owner} -l | sed '/barman/s/^#//' | crontab -u ${owner} -`;
}

/**
 * Writes the entry of cron, or the drop-in of the unit, and starts the timer; nothing else is changed.
 * @param root of the file system
 * @returns the paths that were written
 * @throws OperatorError `command-failed`
 */
export async function applyAdoption({ files, commands }: AdoptionPlan, root: string): Promise<readonly string[]> {
  for (const { path, text } of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFileDurably(join(root, path), text, { mode: 0o644 });
  }
  for (const argv of commands) {
    const result = await runProgram(argv, { environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
    if (result.exitCode !== 0) throw failureOf(result, argv.join(' '));
  }
  return files.map(({ path }) => path);
}
