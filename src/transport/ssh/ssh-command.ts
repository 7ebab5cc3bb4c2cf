import { basename } from 'node:path';
import { splitWords } from '../../shared/shell-words.ts';
import { type SshSettings, settingOf } from './ssh-settings.ts';

/** An `ssh_command` of the configuration, in words. */
export interface SshCommand {
  readonly words: readonly string[];
  /**
   * It is `ssh`, options and a host, so that `ssh -G` knows what it means. Otherwise (a wrapper, another program, a command for the
   * other side) it can only be run as it is.
   */
  readonly isPlain: boolean;
  /** The host as it is written, `user@` included; the whole command when that is not plain. */
  readonly label: string;
}

/** Options of ssh(1) that take a value. */
const valued = 'BbcDEeFIiJLlmOopPQRSWw';

/** Reads an `ssh_command`. @throws OperatorError `configuration-invalid` for an open quote */
export function parseSshCommand(text: string): SshCommand {
  const words = splitWords(text);
  const destinations = isSsh(words[0]) ? destinationsOf(words.slice(1)) : [];
  const [label] = destinations;
  if (label === undefined || destinations.length > 1) return { words, isPlain: false, label: text };
  return { words, isPlain: true, label };
}

/** For a host that takes connections and says nothing: ssh itself would wait for ever. */
const connectSeconds = 30;

/** The command with a limit for connecting, where it is plain and neither it nor the operator's files have one. */
export function boundConnecting(text: string, settings: SshSettings | undefined): string {
  const isOpen = settings !== undefined && settingOf(settings, 'connecttimeout') === undefined;
  return isOpen && parseSshCommand(text).isPlain ? `${text} -o ConnectTimeout=${String(connectSeconds)}` : text;
}

/** The command line for a remote command; a plain one never asks for a password or passphrase. */
export function sshArgv({ words, isPlain }: SshCommand): readonly string[] {
  return isPlain ? [...words, '-o', 'BatchMode=yes'] : words; // ssh takes options behind the host too, and the first of a name counts
}

/** The argument of `rsync -e`: rsync splits it into words by itself and knows the same quotes. */
export function rsyncShell(text: string): string {
  return parseSshCommand(text).isPlain ? `${text} -o BatchMode=yes` : text;
}

function isSsh(word: string | undefined): boolean {
  return word !== undefined && basename(word) === 'ssh';
}

/** Words that are neither options nor their values: the host, then a command. */
function destinationsOf(words: readonly string[]): string[] {
  const found: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (!word.startsWith('-') || word === '-') found.push(word);
    else if (takesNextWord(word)) index++;
  }
  return found;
}

/** `-p` and `-vp` take the next word, `-p22` and `-v` do not. */
function takesNextWord(word: string): boolean {
  return new RegExp(`^-[^${valued}]*[${valued}]$`).test(word);
}
