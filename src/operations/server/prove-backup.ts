import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { isRecord } from '../../shared/is-record.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { makeScratchFolder } from '../../shared/scratch-folder.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import { stopProcess } from '../../transport/programs/stop-process.ts';

/** A backup that was restored, started and read. */
export interface ProvenBackup {
  readonly server: string;
  readonly backupSeconds: number;
  /** From the first file of the restore until the restored server had reached its target. */
  readonly restoreSeconds: number;
  readonly replayedTo: string;
}

interface Proving {
  /** The beginning of a command line of ours. */
  readonly self: readonly string[];
  /** Where the restore goes, below a folder that is removed afterwards. */
  readonly scratchParent: string;
  /** A command line of ours is about to run, without its program. */
  readonly onCommand: (words: readonly string[]) => void;
  readonly onLine: (line: string) => void;
}

/**
 * Takes a backup of a server, restores it into a scratch folder to the end of the archive, and starts PostgreSQL on it. Both the server
 * that was started and the folder are gone afterwards.
 * @throws OperatorError `command-failed` for the step that failed
 */
export async function proveBackup(server: Server, proving: Proving, context: Context): Promise<ProvenBackup> {
  const { name } = server.config;
  const { clock } = context;
  const startedMs = clock.elapsedMs();
  await runOwn(server, ['backup', '--wait', name], proving, context);
  const backedUpMs = clock.elapsedMs();
  await using scratch = await makeScratchFolder('drill', proving.scratchParent);
  const data = join(scratch.path, 'data');
  if (process.getuid?.() === 0) await makeForServer(scratch.path, data, server.environment);
  const words = ['restore', '--start', name, 'latest', data];
  const started = readStart(await runOwn(server, words, proving, context, ['-f', 'json']));
  try {
    if (!started.hasReached) {
      throw new OperatorError('command-failed', `the restored server did not reach its target: ${started.lines.join(' | ')}`, {
        hint: `to look at it: pgcellar restore --start ${name} latest FOLDER`,
      });
    }
    return {
      server: name,
      backupSeconds: (backedUpMs - startedMs) / 1000,
      restoreSeconds: (clock.elapsedMs() - backedUpMs) / 1000,
      replayedTo: started.replayedTo,
    };
  } finally {
    if (started.pid !== undefined) await stopProcess(started.pid, clock);
  }
}

/** PostgreSQL does not run as root: where root owns the catalog, the restored server runs as the owner of its folder. */
async function makeForServer(parent: string, data: string, environment: Server['environment']): Promise<void> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map((which) => idOf(which, environment)));
  if (uid === undefined || gid === undefined) return; // restore says what is missing
  await chmod(parent, 0o711);
  await mkdir(data, { mode: 0o700 });
  await chown(data, uid, gid);
}

async function idOf(which: string, environment: Server['environment']): Promise<number | undefined> {
  const { exitCode, stdout } = await runProgram(['id', which, 'postgres'], { environment });
  return exitCode === 0 ? Number(stdout) : undefined;
}

async function runOwn(
  { environment }: Server,
  words: readonly string[],
  { self, onCommand, onLine }: Proving,
  { signal }: Context,
  globals: readonly string[] = [],
): Promise<string> {
  onCommand(words);
  const isRead = globals.length > 0;
  const program = self.filter((word) => word !== '-q');
  const result = await runProgram([...program, ...globals, ...words], {
    environment,
    signal,
    onStderrLine: onLine,
    ...(isRead ? {} : { onStdoutLine: onLine }),
  });
  // a restored server that ended is told in the report
  if (result.exitCode !== 0 && !(isRead && hasStart(result.stdout))) throw failureOf(result, words.join(' '));
  return result.stdout;
}

function hasStart(text: string): boolean {
  try {
    return findStart(JSON.parse(text)) !== undefined;
  } catch {
    return false;
  }
}

interface Started {
  readonly hasReached: boolean;
  readonly pid: number | undefined;
  readonly replayedTo: string;
  readonly lines: readonly string[];
}

/** Reads what `restore --start` says in JSON (docs/schemas/restore.json). */
function readStart(text: string): Started {
  const parsed: unknown = JSON.parse(text);
  const start = findStart(parsed);
  if (start === undefined) throw new OperatorError('command-failed', `restore --start did not describe its server: ${text}`);
  const { reached, pid, replayed_to: replayedTo, log_lines: lines } = start;
  return {
    hasReached: reached === true,
    pid: typeof pid === 'number' ? pid : undefined,
    replayedTo: typeof replayedTo === 'string' ? replayedTo : 'unknown',
    lines: Array.isArray(lines) ? lines.map(String) : [],
  };
}

function findStart(value: unknown): Record<string, unknown> | undefined {
  if (!isRecord(value)) return undefined;
  if (isRecord(value['start'])) return value['start'];
  return Object.values(value)
    .map(findStart)
    .find((found) => found !== undefined);
}
