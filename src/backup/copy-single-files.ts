import { utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeFileDurably } from '../shared/durable-file.ts';
import { hasControlCharacter } from '../shared/has-control-character.ts';
import { isBelow } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';

interface SingleFile {
  /** `config_file`, `hba_file`, `ident_file` or `pg_control`. */
  readonly label: string;
  readonly source: string;
  readonly destination: string;
  readonly isOptional: boolean;
}

interface ConfigurationFacts {
  readonly pgdata: string;
  readonly configFile: string | undefined;
  readonly hbaFile: string | undefined;
  readonly identFile: string | undefined;
}

/** Configuration files that lie outside the data folder and come flat into `data` (docs/reference/engine.md section 6.3). */
export function configurationOutside(facts: ConfigurationFacts, dataFolder: string): SingleFile[] {
  const named = [
    { label: 'config_file', source: facts.configFile, isOptional: false },
    { label: 'hba_file', source: facts.hbaFile, isOptional: false },
    { label: 'ident_file', source: facts.identFile, isOptional: true },
  ];
  return named.flatMap(({ label, source, isOptional }) => {
    if (source === undefined || isBelow(facts.pgdata, source)) return [];
    const name = basename(source);
    if (!source.startsWith('/') || ['', '.', '..'].includes(name) || hasControlCharacter(name))
      throw new OperatorError('backup-refused', `the server's ${label} is not the path of a file: ${JSON.stringify(source)}`);
    return [{ label, source, isOptional, destination: join(dataFolder, name) }];
  });
}

/** Copies one small file from the host, durably, with its mode and time. @throws OperatorError `file-unreadable` or `file-unwritable` */
export async function copySingleFile(host: Host, { source, destination, isOptional }: SingleFile): Promise<void> {
  const found = await host.readFile(source);
  if (found === undefined) {
    if (isOptional) return;
    throw new OperatorError('file-unreadable', `${source} does not exist on ${host.label}`);
  }
  await writeFileDurably(destination, found.content, { mode: found.mode });
  await utimes(destination, found.modifiedAt, found.modifiedAt);
}
