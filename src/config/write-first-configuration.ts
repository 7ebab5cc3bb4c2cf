import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { expectedFailureOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type ConfigurationRequest, findConfigurationFile } from './find-configuration-file.ts';
import { formatSection } from './write-server-file.ts';

/**
 * Writes a main configuration where there is none: at the place of `-c`, else `~/.pgcellar.conf`, with its servers in a folder beside it.
 * One that is there stays as it is.
 * @throws OperatorError `file-unwritable`
 */
export async function writeFirstConfiguration(home: string, request: ConfigurationRequest): Promise<void> {
  if (isThere(request)) return;
  const path = resolve(request.explicitPath ?? join(request.homeFolder, '.pgcellar.conf'));
  const servers = `${path.replace(/\.conf$/, '')}.d`;
  const folder = resolve(home);
  for (const needed of [folder, servers, dirname(path)]) await make(needed);
  const lines = [
    ['barman_user', userInfo().username],
    ['barman_home', folder],
    ['configuration_files_directory', servers],
    ['log_file', join(folder, 'pgcellar.log')],
  ] as const;
  await writeFileDurably(path, formatSection('pgcellar', lines), { mode: 0o640 });
}

function isThere(request: ConfigurationRequest): boolean {
  try {
    findConfigurationFile(request);
    return true;
  } catch (error) {
    if (expectedFailureOf(error)?.code !== 'configuration-missing') throw error;
    return false;
  }
}

async function make(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new OperatorError('file-unwritable', `cannot make the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      hint: 'name another one with --home, or make it for the user that runs pgcellar',
      cause: error,
    });
  }
}
