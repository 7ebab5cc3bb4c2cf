import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderDurably, removeFileDurably, writeFileDurably } from '../../shared/durable-file.ts';
import { namesIn } from '../../shared/look.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import { metaFolder, type ServerLayout } from '../server-layout.ts';
import { type BackupId, parseBackupId } from './backup.ts';
import { backupFilesOf } from './backup-files.ts';

/** The WAL that a keep annotation protects; any other word in the file counts as `full` (docs/reference/catalog.md section 4). */
export type KeepTarget = 'full' | 'standalone';

type AnnotationKey = 'keep' | 'delete_this';

/** Annotations of every backup of a server. */
export interface Annotations {
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  /** Backups whose deletion began and did not end. */
  readonly goings: ReadonlySet<BackupId>;
}

/** Reads the annotations of all backups, those that older releases left below `base` included (docs/reference/catalog.md section 4). */
export async function readAnnotations(layout: ServerLayout, ids: readonly BackupId[]): Promise<Annotations> {
  const keeps = new Map<BackupId, KeepTarget>();
  const goings = new Set<BackupId>();
  for (const name of await namesIn(metaFolder(layout))) {
    const [, idText = '', key] = /^(.*)-(keep|delete_this)$/.exec(name) ?? [];
    const id = parseBackupId(idText);
    if (id === undefined) continue;
    if (key === 'delete_this') goings.add(id);
    else keeps.set(id, await readKeep(join(metaFolder(layout), name)));
  }
  for (const id of ids) {
    const older = backupFilesOf(layout, id).pathOf('annotations');
    if (!existsSync(older)) continue; // synchronously: there may be thousands of backups, and hardly one of these folders
    for (const name of await namesIn(older)) {
      if (name === 'keep' && !keeps.has(id)) keeps.set(id, await readKeep(join(older, name)));
      if (name === 'delete_this') goings.add(id);
    }
  }
  return { keeps, goings };
}

/** Whether one backup is kept, and whether its deletion has begun: as {@link readAnnotations}, without a look at the others. */
export async function readAnnotationsOf(layout: ServerLayout, id: BackupId): Promise<Annotations> {
  const older = backupFilesOf(layout, id).pathOf('annotations');
  const [keep, going] = [
    [annotationPath(layout, id, 'keep'), join(older, 'keep')],
    [annotationPath(layout, id, 'delete_this'), join(older, 'delete_this')],
  ] as const;
  const keepPath = keep.find((path) => existsSync(path));
  return {
    keeps: keepPath === undefined ? new Map() : new Map([[id, await readKeep(keepPath)]]),
    goings: new Set(going.some((path) => existsSync(path)) ? [id] : []),
  };
}

/** Keeps a backup from retention and deletion; an earlier mark is replaced. */
export async function markKept(layout: ServerLayout, id: BackupId, target: KeepTarget): Promise<void> {
  await migrate(layout, id, 'keep');
  await writeFileDurably(annotationPath(layout, id, 'keep'), target);
}

/** Lets a backup go again; nothing happens when it was not kept. */
export async function releaseKept(layout: ServerLayout, id: BackupId): Promise<void> {
  await migrate(layout, id, 'keep');
  await removeFileDurably(annotationPath(layout, id, 'keep'));
}

/** Marks a backup as being deleted: the first step of a deletion, and what the next run resumes from. */
export async function markGoing(layout: ServerLayout, id: BackupId): Promise<void> {
  await migrate(layout, id, 'delete_this');
  await writeFileDurably(annotationPath(layout, id, 'delete_this'), 'delete');
}

/** Removes the mark, when the backup is gone. */
export async function unmarkGoing(layout: ServerLayout, id: BackupId): Promise<void> {
  await removeFileDurably(annotationPath(layout, id, 'delete_this'));
}

async function migrate(layout: ServerLayout, id: BackupId, key: AnnotationKey): Promise<void> {
  await makeFolderDurably(metaFolder(layout));
  try {
    await rename(join(backupFilesOf(layout, id).pathOf('annotations'), key), annotationPath(layout, id, key));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error; // nothing older is there
  }
}

function annotationPath(layout: ServerLayout, id: BackupId, key: AnnotationKey): string {
  return join(metaFolder(layout), `${id}-${key}`);
}

async function readKeep(path: string): Promise<KeepTarget> {
  return (await readFile(path, 'utf8')).trim() === 'standalone' ? 'standalone' : 'full';
}
