import { readFile } from 'node:fs/promises';
import { writeFileDurably } from '../shared/durable-file.ts';
import { isRecord } from '../shared/is-record.ts';
import { isMissing, unreadable } from '../shared/look.ts';

/** One option of one section, and the file that it is to be written into. */
interface QueuedChange {
  readonly key: string;
  readonly value: string;
  readonly config_file: string;
}

/** Changes of one section that belong together (docs/reference/catalog.md section 14.5). */
export interface ChangeSet {
  readonly section: string;
  readonly changes_set: readonly QueuedChange[];
}

/** One place of the queue: as it stands in the file, and what it means when that can be understood. */
export interface QueuedSet {
  readonly raw: unknown;
  readonly set: ChangeSet | undefined;
}

/** The waiting changes, in their order. */
interface ChangeQueue {
  readonly sets: readonly QueuedSet[];
  /** The file does not hold a list. */
  readonly isMalformed: boolean;
}

/** Reads the queue of configuration changes; a missing file is an empty one. @throws OperatorError `file-unreadable` */
export async function readChangeQueue(path: string): Promise<ChangeQueue> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return { sets: [], isMalformed: false };
    throw unreadable(path, error);
  }
  const list = parsed(content);
  if (!Array.isArray(list)) return { sets: [], isMalformed: true };
  return { sets: list.map((raw: unknown) => ({ raw, set: asChangeSet(raw) })), isMalformed: false };
}

/** Replaces the queue durably, for its owner alone: values can be passwords. What nobody understood stays as it was. */
export async function writeChangeQueue(path: string, sets: readonly QueuedSet[]): Promise<void> {
  await writeFileDurably(
    path,
    JSON.stringify(
      sets.map(({ raw }) => raw),
      null,
      2,
    ),
    { mode: 0o600 },
  );
}

/** Puts a change set into the form of the queue. */
export function queued(set: ChangeSet): QueuedSet {
  return { raw: set, set };
}

/** The text that an option is set to: a text, or a number or a truth value as it is written in the file; undefined for anything else. */
export function valueText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return undefined;
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined; // told by the caller as a queue that cannot be understood
  }
}

function asChangeSet(value: unknown): ChangeSet | undefined {
  if (!isRecord(value)) return undefined;
  const { section, changes_set: changes } = value;
  if (typeof section !== 'string' || !Array.isArray(changes)) return undefined;
  const known = changes.map(asChange).filter((change) => change !== undefined);
  return known.length === changes.length ? { section, changes_set: known } : undefined;
}

function asChange(value: unknown): QueuedChange | undefined {
  if (!isRecord(value)) return undefined;
  const { key, value: wanted, config_file: file } = value;
  const text = valueText(wanted);
  if (typeof key !== 'string' || typeof file !== 'string' || text === undefined) return undefined;
  return { key, value: text, config_file: file };
}
