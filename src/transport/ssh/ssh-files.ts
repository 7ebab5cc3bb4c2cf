import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { systemCodeOf } from '../../shared/operator-error.ts';
import { type SshSettings, settingOf } from './ssh-settings.ts';

/** The files that a setting names. */
export function filesOf(settings: SshSettings, keyword: string): string[] {
  return (settingOf(settings, keyword) ?? '')
    .split(' ')
    .filter((path) => path !== '')
    .map(expandHome);
}

/** `~/` is the home of who runs us. */
export function expandHome(path: string): string {
  return path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path;
}

/** Text of a file; empty when it is not there for us: ssh(1) passes over such files too. */
export async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return '';
    throw error;
  }
}
