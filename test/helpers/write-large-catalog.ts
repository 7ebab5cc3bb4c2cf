// A server's home of any size, written without PostgreSQL in seconds: for benches, and for tests of what must not grow with it.
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { formatWalEntry } from '../../src/catalog/index/wal-entry.ts';
import { defaultSegmentSize, segmentAtIndex } from '../../src/wal/wal-name.ts';
import type { TestHome } from './test-home.ts';
import { sketchBackup } from './write-catalog.ts';

export interface CatalogSize {
  readonly backups: number;
  /** All on timeline 1, without a hole; the first backup lies in the first of them. */
  readonly segments: number;
  /** Also makes the segments' files, sparse; without them only the index names them. */
  readonly withWalFiles?: boolean;
  /** What all records have beside the sketch, e.g. the systemid of a real server. */
  readonly rest?: Parameters<typeof sketchBackup>[0]['rest'];
}

/** Time of the first backup; the others follow hourly. */
const firstBackupAt = Date.UTC(2024, 0, 1);
const hourMs = 3_600_000;
const storedBytes = 5_000_000;

/** Ids that {@link writeLargeCatalog} gives its backups, oldest first. */
export function largeCatalogIds(backups: number): readonly string[] {
  return Array.from({ length: backups }, (_, index) =>
    new Date(firstBackupAt + index * hourMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, ''),
  );
}

/** Backups an hour apart with the same number of segments between them, each with a folder of one file. */
export async function writeLargeCatalog(home: TestHome, server: string, size: CatalogSize): Promise<void> {
  for (const folder of ['base', 'wals', 'incoming', 'streaming', 'errors', 'meta']) {
    mkdirSync(home.server(server, folder), { recursive: true });
  }
  writeBackups(home, server, size);
  await using index = await open(home.server(server, 'wals', `${server}-xlog.db`), 'w');
  await writeWals(home, { server, size, index });
  await home.own(home.path);
}

function writeBackups(home: TestHome, server: string, { backups, segments, rest = {} }: CatalogSize): void {
  largeCatalogIds(backups).forEach((id, number) => {
    const segment = 1 + Math.floor((number * segments) / backups);
    const record = formatBackupInfo(sketchBackup({ id, server, segment, rest }));
    const folder = home.server(server, 'base', id);
    mkdirSync(join(folder, 'data'), { recursive: true });
    writeFileSync(join(folder, 'data', 'PG_VERSION'), '15\n');
    writeFileSync(join(folder, 'backup.info'), record);
    writeFileSync(home.server(server, 'meta', `${id}-backup.info`), record);
  });
}

async function writeWals(
  home: TestHome,
  { server, size, index }: { readonly server: string; readonly size: CatalogSize; readonly index: FileHandle },
): Promise<void> {
  const { backups, segments, withWalFiles = false } = size;
  const stepSeconds = (backups * hourMs) / 1000 / segments;
  let folder = '';
  let lines: string[] = [];
  for (let number = 1; number <= segments; number++) {
    const name = segmentAtIndex(1, number, defaultSegmentSize);
    const time = firstBackupAt / 1000 + Math.floor((number - 1) * stepSeconds);
    lines.push(formatWalEntry({ name, size: storedBytes, time, compression: null, encryption: null }));
    if (lines.length === 10_000 || number === segments) {
      await index.write(lines.join(''));
      lines = [];
    }
    if (!withWalFiles) continue;
    if (!folder.endsWith(name.slice(0, 16)))
      mkdirSync((folder = home.server(server, 'wals', name.slice(0, 16))), { recursive: true });
    const file = openSync(join(folder, name), 'w');
    ftruncateSync(file, storedBytes);
    closeSync(file);
  }
}
