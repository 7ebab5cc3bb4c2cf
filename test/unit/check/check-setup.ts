import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Backup, emptyBackup, parseBackupId } from '../../../src/catalog/backups/backup.ts';
import { writeBackupRecord } from '../../../src/catalog/backups/backup-records.ts';
import { parseWalEntry, type WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import { WalIndex } from '../../../src/catalog/index/wal-index.ts';
import type { ServerLayout } from '../../../src/catalog/server-layout.ts';
import type { CheckTools } from '../../../src/check/check.ts';
import { loadConfiguration, loadMainConfiguration } from '../../../src/config/load-configuration.ts';
import type { Server } from '../../../src/config/server.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import type { Context } from '../../../src/shared/context.ts';
import type { Environment } from '../../../src/shared/environment.ts';
import { silentLog } from '../../../src/shared/log.ts';
import { silentProgress } from '../../../src/shared/progress.ts';
import { localTimestamp } from '../../../src/shared/timestamp.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

/** The server `name` of a configuration file, as the assembled program has it. */
export function serverFrom(configFile: string, name: string, environment: Environment): Server {
  const home = environment['HOME'] ?? '/nonexistent';
  const main = loadMainConfiguration({ explicitPath: configFile, environment: {}, homeFolder: home });
  const { global, servers } = loadConfiguration(main, home);
  const config = servers.find((server) => server.name === name);
  if (config === undefined) throw new Error(`no server ${name}`);
  const { options } = config;
  const layout: ServerLayout = {
    serverName: name,
    root: options.backup_directory,
    base: options.basebackups_directory,
    wals: options.wals_directory,
    xlogdb: options.xlogdb_directory,
    incoming: options.incoming_wals_directory,
    streaming: options.streaming_wals_directory,
    errors: options.errors_directory,
    locks: global.barman_lock_directory,
  };
  const programPath = [options.path_prefix, environment['PATH']].filter((part) => part !== undefined).join(':');
  return { config, layout, configurationPath: configFile, programPath, environment: { ...environment, PATH: programPath } };
}

/** A server without PostgreSQL, in a temporary folder. */
export interface LonelyServer extends AsyncDisposable {
  readonly server: Server;
  readonly folder: string;
}

/** `lines` are of the server's section; `FOLDER` stands for the temporary folder. */
export async function lonelyServer(lines: string): Promise<LonelyServer> {
  const folder = await createTemporaryFolder('check');
  const configFile = join(folder.path, 'main.conf');
  await mkdir(join(folder.path, 'home'));
  await writeFile(configFile, `[barman]\nbarman_home = FOLDER/home\n[main]\n${lines}\n`.replaceAll('FOLDER', folder.path));
  const server = serverFrom(configFile, 'main', { PATH: '/usr/bin:/bin' });
  return { server, folder: folder.path, [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose]() };
}

const nothing = (): undefined => undefined;

/** A context that tells nobody anything. */
export function quietContext({ clock = systemClock, signal = new AbortController().signal }: Partial<Context> = {}): Context {
  return {
    clock,
    signal,
    log: silentLog,
    messages: { info: nothing, warning: nothing, error: nothing, exception: nothing, debug: nothing },
    progress: silentProgress,
  };
}

export function toolsWith(tools: Partial<CheckTools> = {}): CheckTools {
  return { context: quietContext(), timeoutSeconds: 30, archivePending: () => Promise.resolve(true), ...tools };
}

/** Stands still; its sleeps end when `wake` is called, or with their signal. */
export function stoppedClock(now: string): Clock & { wake(): void } {
  const sleepers: (() => void)[] = [];
  return {
    now: () => new Date(now),
    elapsedMs: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push(resolve);
        signal?.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    wake: () => {
      for (const wake of sleepers.splice(0)) wake();
    },
  };
}

/** A backup of `server` that is done unless `known` says otherwise. */
export function backupOf(id: string, known: Partial<Backup> = {}): Backup {
  const endTime = localTimestamp(new Date(`${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T00:00:00Z`));
  return { ...emptyBackup(parseBackupId(id)!), status: 'DONE', serverName: 'main', mode: 'postgres', endTime, ...known };
}

export async function storeBackups(server: Server, backups: readonly Backup[]): Promise<void> {
  for (const backup of backups) await writeBackupRecord(server.layout, backup);
}

/** Adds lines to the index: name, size and time. */
export async function indexWals(server: Server, ...lines: readonly string[]): Promise<void> {
  await mkdir(server.layout.wals, { recursive: true });
  await using index = await WalIndex.open(server.layout);
  await index.append(lines.map((line): WalEntry => parseWalEntry(line)!));
}
