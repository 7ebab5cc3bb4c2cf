import { dirname } from 'node:path';
import { pathExists } from '../shared/look.ts';
import { mendedBy, type NamedRemedy } from './remedies.ts';

/** The remedy for a folder that could not be made, by the code of the operating system. */
export async function folderRemedy(folder: string, code: string): Promise<NamedRemedy> {
  const existing = await nearestExisting(folder);
  if (code === 'ENOTDIR' || code === 'EEXIST') return mendedBy('folder-blocked', { folder, blocker: existing });
  if (code === 'EACCES' || code === 'EPERM') return mendedBy('folder-forbidden', { folder });
  return mendedBy('folder-impossible', { folder, existing, reason: code });
}

async function nearestExisting(path: string): Promise<string> {
  return (await pathExists(path)) || path === '/' ? path : await nearestExisting(dirname(path));
}
