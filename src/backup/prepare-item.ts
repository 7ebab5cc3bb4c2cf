import { linkSync, lstatSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../shared/context.ts';
import { makeFolderDurably } from '../shared/durable-file.ts';
import { onDisk } from '../shared/file-name.ts';
import { forEachBriefly } from '../shared/for-each-briefly.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import type { CopyItem } from './copy-item.ts';
import { listSource, type SourceListing } from './list-source.ts';
import { type CopyPlan, emptyPlan, fateOf, type ReferenceFile } from './plan-copy.ts';

/** The files found for an item, and the plan for them. */
export interface PreparedItem {
  readonly listing: SourceListing;
  readonly plan: CopyPlan;
  readonly analysisSeconds: number;
}

interface PrepareOptions {
  readonly host: Host;
  readonly reuse: 'copy' | 'link' | undefined;
  readonly horizonSeconds: number | undefined;
}

/**
 * Walks over an item on the server's host, decides what is sent, and makes its folders here, with hard links to what is reused by links.
 * @throws OperatorError `command-failed`, `program-missing`, `file-unwritable` or `interrupted`
 */
export async function prepareItem(item: CopyItem, options: PrepareOptions, context: Context): Promise<PreparedItem> {
  const startedMs = context.clock.elapsedMs();
  const { source, include, exclude } = item;
  const listing = await listSource({
    host: options.host,
    root: source,
    exclude,
    signal: context.signal,
    ...(include === undefined ? {} : { include }),
  });
  const plan = await planItem(item, listing, { ...options, signal: context.signal });
  const analysisSeconds = (context.clock.elapsedMs() - startedMs) / 1000;
  await makeFolders(item, listing);
  if (options.reuse === 'link') await linkReused(item, plan, context.signal);
  return { listing, plan, analysisSeconds };
}

async function planItem(
  { reference: folder }: CopyItem,
  { files }: SourceListing,
  { horizonSeconds, signal }: Pick<PrepareOptions, 'horizonSeconds'> & { readonly signal: AbortSignal },
): Promise<CopyPlan> {
  const plan = emptyPlan(files);
  await forEachBriefly(
    numbersUpTo(files.length),
    (index) => {
      const file = files.at(index);
      const reference = folder === undefined ? undefined : lookAt(join(folder, file.path));
      plan[fateOf(file, { reference, horizonSeconds })].add(index);
    },
    signal,
  );
  return plan;
}

function* numbersUpTo(count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield index;
}

function lookAt(path: string): ReferenceFile | undefined {
  try {
    const found = lstatSync(onDisk(path), { bigint: true });
    if (!found.isFile()) return undefined;
    const { size, mode, mtimeNs } = found;
    return { size: Number(size), mode: Number(mode & 0o7777n), modifiedNs: mtimeNs };
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined; // it is new since then
  }
}

async function makeFolders({ destination }: CopyItem, { folders }: SourceListing): Promise<void> {
  await writing(destination, () => makeFolderDurably(destination, { mode: 0o700 }));
  for (const { path, mode } of folders) {
    const folder = join(destination, path);
    if (path !== '') await writing(folder, () => mkdir(onDisk(folder), { mode: 0o700 }));
    await writing(folder, () => chmod(onDisk(folder), mode | 0o700)); // we must be able to write into it
  }
}

/** Hard links to what the backup before has. */
async function linkReused({ reference, destination }: CopyItem, { reused }: CopyPlan, signal: AbortSignal): Promise<void> {
  if (reference === undefined) return;
  await forEachBriefly(
    reused,
    ({ path }) => {
      const to = join(destination, path);
      try {
        linkSync(onDisk(join(reference, path)), onDisk(to));
      } catch (error) {
        throwUnlessThere(to, error);
      }
    },
    signal,
  );
}

async function writing(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throwUnlessThere(path, error);
  }
}

function throwUnlessThere(path: string, error: unknown): void {
  if (systemCodeOf(error) === 'EEXIST') return; // an earlier attempt made it
  throw new OperatorError('file-unwritable', `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, {
    cause: error,
  });
}
