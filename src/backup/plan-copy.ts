import type { SourceFile } from './list-source.ts';

/** What the backup before has under the same path. */
export interface ReferenceFile {
  readonly size: number;
  readonly mode: number;
  readonly modifiedNs: bigint;
}

/** What becomes of each file of an item; every file is in exactly one list. */
export interface CopyPlan {
  /** The same as in the backup before: linked or copied from there, nothing is sent. */
  readonly reused: readonly SourceFile[];
  /** New or changed: sent. */
  readonly sent: readonly SourceFile[];
  /** Looks the same, but may have changed while it was copied the last time: contents are compared. */
  readonly compared: readonly SourceFile[];
}

interface PlanFacts {
  readonly files: readonly SourceFile[];
  readonly referenceOf: (path: string) => ReferenceFile | undefined;
  /** Whole seconds: what was last changed before is in the backup before as it is now (engine.md section 6.5); undefined when there is none. */
  readonly horizonSeconds: number | undefined;
}

const second = 1_000_000_000n;

/**
 * Decides what is sent. A file that was last changed before the backup before began is in it unchanged when size, mode and time are equal.
 * One that was changed later may have been changed again within the same tick of the clock, after it was copied: only its content tells.
 */
export function planCopy({ files, referenceOf, horizonSeconds }: PlanFacts): CopyPlan {
  const plan = { reused: [] as SourceFile[], sent: [] as SourceFile[], compared: [] as SourceFile[] };
  for (const file of files) {
    const reference = referenceOf(file.path);
    if (reference === undefined || !looksTheSame(file, reference)) plan.sent.push(file);
    else if (horizonSeconds !== undefined && Number(file.modifiedNs / second) < horizonSeconds) plan.reused.push(file);
    else plan.compared.push(file);
  }
  return plan;
}

/** Times are equal to the nanosecond, or to the second where one side knows no fractions. */
function looksTheSame(file: SourceFile, reference: ReferenceFile): boolean {
  if (file.size !== reference.size || file.mode !== reference.mode) return false;
  if (file.modifiedNs === reference.modifiedNs) return true;
  const knowsNoFraction = file.modifiedNs % second === 0n || reference.modifiedNs % second === 0n;
  return knowsNoFraction && file.modifiedNs / second === reference.modifiedNs / second;
}

const bucketBytes = 10 * 1024 ** 3;

/** Deals files to as many runs of rsync as may work at once, the largest first, each to the run that has least (engine.md section 6.5). */
export function dealFiles(files: readonly SourceFile[], jobs: number): SourceFile[][] {
  if (files.length === 0) return [];
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const count = jobs === 1 ? 1 : Math.min(files.length, Math.max(jobs, Math.ceil(total / bucketBytes)));
  const buckets = Array.from({ length: count }, () => ({ bytes: 0, files: [] as SourceFile[] }));
  for (const file of files.toSorted((one, other) => other.size - one.size)) {
    const least = buckets.reduce((best, bucket) => (bucket.bytes < best.bytes ? bucket : best));
    least.files.push(file);
    least.bytes += file.size + 4096; // a file costs something even when it is empty
  }
  return buckets.map((bucket) => bucket.files.toSorted((one, other) => (one.path < other.path ? -1 : 1)));
}
