import { catalogFolders } from '../../catalog/server-layout.ts';
import { makeFolderDurably } from '../../shared/durable-file.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import type { Check } from '../check.ts';
import { folderRemedy } from '../folder-remedy.ts';
import { failed, passed } from '../verdict.ts';

/** The server's folders are there; those that are missing are made. */
export const directories: Check = {
  name: 'directories',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: 'A folder is missing and cannot be made; the check makes those that can be.',
  remedies: ['folder-blocked', 'folder-forbidden', 'folder-impossible'],
  async run({ server: { config, layout } }) {
    if (config.problems.length > 0) return undefined;
    for (const folder of catalogFolders(layout)) {
      if (folder.includes('://')) continue;
      const problem = await makeFolder(folder);
      if (problem !== undefined) return failed(`${folder}: ${problem}`, await folderRemedy(folder, problem));
    }
    return passed();
  },
};

async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    await makeFolderDurably(folder);
    return undefined;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    return code;
  }
}
