import { join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { GlobalOptions } from './options.ts';
import { refuseNameForNew } from './sections.ts';

/** Lines of a section, in order; a value never spans lines. */
export type SectionLines = readonly (readonly [key: string, value: string])[];

/**
 * Writes the file of a new server into `configuration_files_directory`.
 * @returns its path
 * @throws OperatorError `configuration-invalid` for a name that cannot be a section, or when there is no such folder;
 * `file-unwritable` when the file is there
 */
export async function writeServerFile(global: GlobalOptions, name: string, lines: SectionLines): Promise<string> {
  const { configuration_files_directory: folder } = global;
  if (folder === undefined) {
    throw new OperatorError(
      'configuration-invalid',
      'configuration_files_directory is not set: there is no place for a new server',
      {
        hint: 'set it in the global section, for example to /etc/pgcellar.d, and make the folder',
      },
    );
  }
  refuseNameForNew(name);
  const path = join(folder, `${name}.conf`);
  if (await pathExists(path)) {
    throw new OperatorError('file-unwritable', `${path} is there already`, {
      hint: `check ${name} looks at the server as it is`,
    });
  }
  await writeFileDurably(path, formatSection(name, lines), { mode: 0o640 });
  return path;
}

/** A section as text that both our parser and Barman's read back as the same. */
export function formatSection(name: string, lines: SectionLines): string {
  return [`[${name}]`, ...lines.map(([key, value]) => `${key} = ${value.replaceAll('%', '%%%%')}`), ''].join('\n');
}
