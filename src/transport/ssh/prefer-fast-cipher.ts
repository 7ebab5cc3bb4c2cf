import type { Environment } from '../../shared/environment.ts';
import { runProgram } from '../programs/run-program.ts';
import { parseSshCommand } from './ssh-command.ts';
import { readIfThere } from './ssh-files.ts';
import { parseSshSettings, settingOf } from './ssh-settings.ts';

/** The same `ssh_command`, offering {@link fastCiphers}. A command that is not plain ssh is left alone. */
export async function preferFastCipher(
  sshCommand: string,
  environment: Environment,
  processorFile = '/proc/cpuinfo',
): Promise<string> {
  const command = parseSshCommand(sshCommand);
  const ciphers = command.isPlain ? await fastCiphers(command.words, environment, processorFile) : undefined;
  return ciphers === undefined ? sshCommand : `${sshCommand} -o Ciphers=${ciphers}`;
}

/**
 * The value of `Ciphers` that lets ssh offer AES-GCM first where this processor has instructions for AES: OpenSSH prefers ChaCha20, which
 * takes two to four times the CPU of both hosts there, and for files by the gigabyte that is most of what a copy costs. All ciphers stay on
 * offer, in their order otherwise.
 * @param words ssh, its options and the host
 * @returns undefined when there is nothing to gain, and when the operator chose the order
 */
export async function fastCiphers(
  words: readonly string[],
  environment: Environment,
  processorFile = '/proc/cpuinfo',
): Promise<string | undefined> {
  const [ssh = 'ssh'] = words;
  const [isFaster, wanted, usual] = await Promise.all([
    hasAesInstructions(processorFile), // some kernels ask each processor for that, which takes as long as the programs
    ciphersOf(words, environment),
    ciphersOf([ssh, '-F', 'none', 'host'], environment), // the ciphers that ssh offers by default
  ]);
  if (!isFaster) return undefined;
  const reordered = fastestFirst(wanted ?? '');
  return wanted === undefined || wanted !== usual || reordered === wanted ? undefined : reordered;
}

/** A list of ciphers with those of AES-GCM first. */
function fastestFirst(ciphers: string): string {
  const names = ciphers.split(',');
  const isFast = (name: string): boolean => name.includes('-gcm@');
  return [...names.filter(isFast), ...names.filter((name) => !isFast(name))].join(',');
}

/** `Ciphers` as `ssh -G` tells it; undefined when it does not. */
async function ciphersOf([ssh = 'ssh', ...words]: readonly string[], environment: Environment): Promise<string | undefined> {
  const { exitCode, stdout } = await runProgram([ssh, '-G', ...words], { environment });
  return exitCode === 0 ? settingOf(parseSshSettings(stdout), 'ciphers') : undefined;
}

async function hasAesInstructions(processorFile: string): Promise<boolean> {
  return /^(?:flags|Features)\s*:.*\baes\b/m.test(await readIfThere(processorFile));
}
