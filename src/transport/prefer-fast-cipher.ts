import type { Environment } from '../shared/environment.ts';
import { runProgram } from './run-program.ts';
import { parseSshCommand, type SshCommand } from './ssh-command.ts';
import { readIfThere } from './ssh-files.ts';
import { parseSshSettings, settingOf } from './ssh-settings.ts';

/**
 * The same `ssh_command`, offering the AES-GCM ciphers first where this processor has instructions for AES: OpenSSH prefers ChaCha20, which
 * takes two to four times the CPU of both hosts there, and for files by the gigabyte that is most of what a copy costs. All ciphers stay on
 * offer, in their order otherwise. An operator who chose the order, or a command that is not plain ssh, is left alone.
 */
export async function preferFastCipher(
  sshCommand: string,
  environment: Environment,
  processorFile = '/proc/cpuinfo',
): Promise<string> {
  const command = parseSshCommand(sshCommand);
  if (!command.isPlain || !(await hasAesInstructions(processorFile))) return sshCommand;
  const [wanted, usual] = await Promise.all([
    ciphersOf(command.words, environment),
    ciphersOf(bare(command), environment), // what ssh offers when nobody chose anything
  ]);
  const reordered = fastestFirst(wanted ?? '');
  return wanted === undefined || wanted !== usual || reordered === wanted
    ? sshCommand
    : `${sshCommand} -o Ciphers=${reordered}`;
}

/** A list of ciphers with those of AES-GCM first. */
function fastestFirst(ciphers: string): string {
  const names = ciphers.split(',');
  const isFast = (name: string): boolean => name.includes('-gcm@');
  return [...names.filter(isFast), ...names.filter((name) => !isFast(name))].join(',');
}

function bare({ words: [ssh = 'ssh'] }: SshCommand): string[] {
  return [ssh, '-F', 'none', 'host'];
}

/** `Ciphers` as `ssh -G` tells it; undefined when it does not. */
async function ciphersOf([ssh = 'ssh', ...words]: readonly string[], environment: Environment): Promise<string | undefined> {
  const { exitCode, stdout } = await runProgram([ssh, '-G', ...words], { environment });
  return exitCode === 0 ? settingOf(parseSshSettings(stdout), 'ciphers') : undefined;
}

async function hasAesInstructions(processorFile: string): Promise<boolean> {
  return /^(?:flags|Features)\s*:.*\baes\b/m.test(await readIfThere(processorFile));
}
