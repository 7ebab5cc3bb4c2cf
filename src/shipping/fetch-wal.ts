import { rename, rm } from 'node:fs/promises';
import { detectCompressionOf, writePlainContent } from '../compression/all-codecs.ts';
import type { Environment } from '../shared/environment.ts';
import { fillFile } from '../shared/fill-file.ts';
import { storeSync } from '../shared/store-sync.ts';
import { startProgram } from '../transport/programs/run-program.ts';
import { type BackupHost, boundConnecting, sshFailure, sshWords } from './backup-host.ts';
import { SilenceWatch } from './silence-watch.ts';

export interface FetchOptions {
  readonly remote: BackupHost;
  readonly serverName: string;
  readonly allowsPartial: boolean;
  /** How the file travels: as the backup host decides, compressed for the way, or as it is stored. */
  readonly form: 'plain' | 'gzip' | 'bzip2' | 'keep';
  /** Asks a pgcellar there to tell a missing file from every other failure by an exit code above 125. */
  readonly isStrict: boolean;
  readonly environment: Environment;
  /** A call in which nothing moves for so long is given up; two minutes when left out. */
  readonly silentMs?: number;
}

/** How a remote call ended: an exit code of the remote program, or of ssh (255), and what was said. */
export interface RemoteOutcome {
  readonly exitCode: number;
  readonly stderr: string;
}

/** Exit code of a program that does not know an option. */
const usageError = 2;

/** Looks at a file that has arrived; undefined lets it into its place. */
type Judge = (path: string) => Promise<RemoteOutcome | undefined>;

/**
 * Fetches one file with `get-wal` into `target`, which is replaced whole or left alone: what arrives is written beside it, unpacked when
 * it carries the mark of a compression, judged, and renamed.
 */
export async function fetchWal(
  name: string,
  target: string,
  asked: FetchOptions,
  judge: Judge = () => Promise.resolve(undefined),
): Promise<RemoteOutcome> {
  const arriving = `${target}.arriving`;
  const options = { ...asked, remote: await boundConnecting(asked.remote, asked.environment) };
  try {
    const call = async (more: readonly string[]) =>
      await receive(['get-wal', ...getWords(options), ...more, quoted(options.serverName), quoted(name)], arriving, options);
    let outcome = await call(options.isStrict ? ['--strict'] : []);
    if (options.isStrict && outcome.exitCode === usageError) outcome = await call([]); // a real Barman
    if (outcome.exitCode !== 0) return outcome;
    await unpackInPlace(arriving, options.environment);
    const judgement = await judge(arriving);
    if (judgement === undefined) await rename(arriving, target);
    return judgement ?? outcome;
  } finally {
    await rm(arriving, { force: true });
  }
}

/** Asks the backup host whether it would send WAL. */
export async function testRetrieval(asked: FetchOptions): Promise<RemoteOutcome & { readonly stdout: string }> {
  const options = { ...asked, remote: await boundConnecting(asked.remote, asked.environment) };
  return await ask(['get-wal', '--test', ...getWords(options), quoted(options.serverName), quoted('dummy_wal_name')], options);
}

/** The words of a remote call, as one word of the ssh command line (docs/reference/cli.md section 14). */
export function remoteCall(words: readonly string[], { remote }: Pick<FetchOptions, 'remote'>): string[] {
  const config = remote.configPath === undefined ? [] : [`--config ${quoted(remote.configPath)}`];
  return [...sshWords(remote), [...config, ...words].join(' ')];
}

/** A word for the remote shell, in single quotes as Barman's helper writes it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'"'"'`)}'`;
}

function getWords({ form, allowsPartial }: FetchOptions): string[] {
  const forms = { plain: [], gzip: ['--gzip'], bzip2: ['--bzip2'], keep: ['--keep-compression'] };
  return [...forms[form], ...(allowsPartial ? ['--partial'] : [])];
}

async function receive(words: readonly string[], path: string, options: FetchOptions): Promise<RemoteOutcome> {
  const running = await startProgram(remoteCall(words, options), { environment: options.environment });
  using silence = new SilenceWatch(running, options.silentMs);
  running.stdin.end();
  const sent = running.stdout as AsyncIterable<Buffer>; // no encoding is set
  const [stored] = await Promise.allSettled([storeSync(sent, path)]);
  if (stored.status === 'rejected') running.stdout.destroy(); // nobody takes what is sent any more: ssh would wait for that for ever
  const { exitCode = 255, stderr } = await running.ended;
  if (silence.hasStalled) return { exitCode: sshFailure, stderr: silence.text };
  if (stored.status === 'rejected') throw stored.reason;
  return { exitCode, stderr };
}

async function ask(words: readonly string[], options: FetchOptions): Promise<RemoteOutcome & { readonly stdout: string }> {
  const running = await startProgram(remoteCall(words, options), { environment: options.environment });
  using silence = new SilenceWatch(running, options.silentMs);
  running.stdin.end();
  const chunks: Buffer[] = [];
  running.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const { exitCode = 255, stderr } = await running.ended;
  if (silence.hasStalled) return { exitCode: sshFailure, stderr: silence.text, stdout: '' };
  return { exitCode, stderr, stdout: Buffer.concat(chunks).toString('utf8') };
}

/** The backup host's words about a failure. */
export function lastLineOf(stderr: string): string {
  return stderr.trim().split('\n').at(-1) || 'nothing answered in time';
}

/** Unpacks a file that carries the mark of a compression, into its own place. */
export async function unpackInPlace(path: string, environment: Environment): Promise<void> {
  if ((await detectCompressionOf(path)) === undefined) return;
  const plain = `${path}.plain`;
  try {
    await fillFile(plain, async (output) => {
      await writePlainContent(path, output, { path: environment['PATH'] ?? '/usr/bin:/bin', environment });
    });
    await rename(plain, path);
  } finally {
    await rm(plain, { force: true });
  }
}
