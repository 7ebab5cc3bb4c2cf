import { rm } from 'node:fs/promises';
import { filterFile } from '../compression/filter-file.ts';
import { StallWatch, usualStallMs } from '../compression/stall-watch.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { requireProgram } from '../transport/programs/find-program.ts';
import { failureOf, lastLines, type ProgramResult } from '../transport/programs/program-result.ts';
import { type RunningProgram, startProgram } from '../transport/programs/run-program.ts';

/** Where programs are looked for and what they run with. */
export interface ProgramSurroundings {
  readonly path: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A gpg that neither reads nor writes for so long is given up; ten minutes when left out. */
  readonly stallMs?: number;
}

const always = ['--yes', '--batch', '--pinentry-mode', 'loopback'];

interface EncryptOptions extends ProgramSurroundings {
  /** The key, as `gpg --recipient` takes it. */
  readonly recipient: string;
  readonly signal?: AbortSignal;
}

/**
 * Encrypts a file into another one that it replaces; does not sync it (docs/reference/catalog.md section 9).
 * @throws OperatorError `program-missing`, or `command-failed` with what gpg said, or when it hangs
 */
export async function encryptFile(from: string, to: string, options: EncryptOptions): Promise<void> {
  const { recipient, path, signal } = options;
  const program = await requireProgram('gpg', path, 'encryption = gpg');
  const argv = [program, ...always, '--compress-level', '0', '--recipient', recipient, '--encrypt'];
  await rm(to, { force: true });
  const result = await filterFile({ argv, from, to, surroundings: options, ...(signal === undefined ? {} : { signal }) });
  if (result.exitCode !== 0) throw failureOf(result, `gpg on ${from}`);
}

/** A decryption under way: the plain bytes come from `stdout`. */
export type Decryption = Pick<RunningProgram, 'stdout' | 'ended' | 'abandon'>;

/**
 * Starts to decrypt a file. What comes out is only to be trusted when the program has ended with 0: see {@link decryptionFailure}.
 * @param passphrase goes to gpg's standard input, and nowhere else
 */
export async function startDecryption(
  file: string,
  passphrase: Uint8Array,
  { path, environment }: ProgramSurroundings,
): Promise<Decryption> {
  const program = await requireProgram('gpg', path, 'reading what was encrypted with gpg');
  const running = await startProgram([program, ...always, '--passphrase-fd', '0', '--decrypt', file], { environment });
  running.stdin.end(passphrase);
  return running;
}

/** Why a decryption failed; undefined when it did not. */
export function decryptionFailure(file: string, result: ProgramResult): OperatorError | undefined {
  if (result.exitCode === 0) return undefined;
  const reason = result.signal === undefined ? `exit code ${String(result.exitCode)}` : `signal ${result.signal}`;
  return new OperatorError('decryption-failed', `gpg cannot decrypt ${file} (${reason}): ${lastLines(result.stderr, 3)}`, {
    hint: 'is the secret key there, and does encryption_passphrase_command print its passphrase?',
  });
}

/**
 * Asks the command for the passphrase: its standard output as it is. Neither it nor the command are ever repeated.
 * @throws OperatorError `decryption-failed` when it fails or prints nothing
 */
export async function askPassphrase(
  command: string,
  { environment, stallMs = usualStallMs }: Pick<ProgramSurroundings, 'environment' | 'stallMs'>,
): Promise<Uint8Array> {
  const running = await startProgram(['/bin/sh', '-c', command], { environment });
  running.stdin.end();
  const chunks: Buffer[] = [];
  running.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const progress = () => Promise.resolve(String(chunks.length));
  const watch = new StallWatch({ stallMs, progress, onStall: () => running.abandon() });
  const { exitCode, signal } = await running.ended;
  watch.close();
  if (watch.hasStalled) throw noPassphrase(`did not end within ${String(stallMs / 1000)} s, and was killed`);
  if (exitCode !== 0) throw noPassphrase(signal === undefined ? `ended with ${String(exitCode)}` : `was ended by ${signal}`);
  const passphrase = Buffer.concat(chunks);
  if (passphrase.length === 0) throw noPassphrase('printed nothing');
  return passphrase;
}

function noPassphrase(what: string): OperatorError {
  return new OperatorError('decryption-failed', `encryption_passphrase_command ${what}`, {
    hint: 'run it by hand, as the user that pgcellar runs as',
  });
}
