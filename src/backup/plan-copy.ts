import { FileSelection, type FileTable, type SourceFile } from './file-table.ts';

/** The file that the previous backup has under the same path. */
export interface ReferenceFile {
  readonly size: number;
  readonly mode: number;
  readonly modifiedNs: bigint;
}

/** The plan for a file. */
export type Fate =
  /** The same as in the backup before: linked or copied from there, nothing is sent. */
  | 'reused'
  /** New or changed: sent. */
  | 'sent'
  /** Looks the same, but may have changed while it was copied the last time: contents are compared. */
  | 'compared';

/** The plan for the files of an item; every file is in exactly one selection. */
export type CopyPlan = Readonly<Record<Fate, FileSelection>>;

/** A plan that says nothing yet. */
export function emptyPlan(table: FileTable): CopyPlan {
  return { reused: new FileSelection(table), sent: new FileSelection(table), compared: new FileSelection(table) };
}

interface FateFacts {
  /** Undefined when the backup before has no such file. */
  readonly reference: ReferenceFile | undefined;
  /** Whole seconds: what was last changed before is in the backup before as it is now (docs/reference/engine.md section 6.5); undefined when there is none. */
  readonly horizonSeconds: number | undefined;
}

const second = 1_000_000_000n;

/**
 * Decides whether a file is sent. One that was last changed before the backup before began is in it unchanged when size, mode and time are
 * equal. One that was changed later may have been changed again within the same tick of the clock, after it was copied: only its content
 * tells.
 */
export function fateOf(file: SourceFile, { reference, horizonSeconds }: FateFacts): Fate {
  if (reference === undefined || !looksTheSame(file, reference)) return 'sent';
  return horizonSeconds !== undefined && Number(file.modifiedNs / second) < horizonSeconds ? 'reused' : 'compared';
}

/** Times are equal to the nanosecond, or to the second where one side knows no fractions. */
function looksTheSame(file: SourceFile, reference: ReferenceFile): boolean {
  if (file.size !== reference.size || file.mode !== reference.mode) return false;
  if (file.modifiedNs === reference.modifiedNs) return true;
  const knowsNoFraction = file.modifiedNs % second === 0n || reference.modifiedNs % second === 0n;
  return knowsNoFraction && file.modifiedNs / second === reference.modifiedNs / second;
}

const bucketBytes = 10 * 1024 ** 3;

/** Deals files to as many runs of rsync as may work concurrently, more of them when they are large (docs/reference/engine.md section 6.5). */
export function dealFiles(files: FileSelection, jobs: number): FileSelection[] {
  return files.deal(jobs === 1 ? 1 : Math.max(jobs, Math.ceil(files.bytes / bucketBytes)));
}
