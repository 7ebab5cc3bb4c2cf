import { nameOf } from '../shared/file-name.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { SourceFile } from './file-table.ts';

export interface FoundEntry extends SourceFile {
  /** As find(1) prints `%y`: `f`, `d` and others. */
  readonly kind: string;
}

/** Kind of a link to a folder that the root lies in: no kind of find's own. */
export const outwardKind = 'U';
/** More than the longest path of Linux. */
const mostEntryBytes = 8192;
/** Seconds that fit into 64 bits as nanoseconds. */
const farthestTime = 9_000_000_000n;
const shape = /^([A-Za-z?]) ([0-7]{1,5}) (\d{1,15}) (\d{1,15}) (-?\d{1,20})(?:\.(\d*))? /;

/**
 * Reads what `find -printf FORMAT` prints, as it comes. What it prints is the word of another host: each entry has to be one, a name stays below
 * the root, and the folder that it lies in was told before, as a folder and once.
 */
export class FindEntries {
  /** Kind, permissions, bytes, blocks of 512 bytes on the disk, time, path below the root. */
  static readonly format = String.raw`%y %m %s %b %T@ %P\0`;
  /** The same for a link that leads out of the root to a folder around it. */
  static readonly outwardFormat = FindEntries.format.replace('%y', outwardKind);

  readonly #onEntry: (entry: FoundEntry) => void;
  readonly #folders = new Set<string>();
  #rest = Buffer.alloc(0);

  constructor(onEntry: (entry: FoundEntry) => void) {
    this.#onEntry = onEntry;
  }

  /** @throws OperatorError `command-failed` for what no find prints of a folder */
  write(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, from)) {
      this.#take(bytes.subarray(from, end));
      from = end + 1;
    }
    this.#rest = Buffer.from(bytes.subarray(from));
    if (this.#rest.length > mostEntryBytes) throw strange('an entry that does not end');
  }

  /** To be called when find has ended. @throws OperatorError `command-failed` when its last entry has no end */
  end(): void {
    if (this.#rest.length > 0) throw strange('an entry that is cut off');
  }

  #take(bytes: Buffer): void {
    const entry = parseEntry(nameOf(bytes));
    const { path, kind } = entry;
    this.#refuseStray(path);
    if (kind === 'd') {
      if (this.#folders.has(path)) throw strange(`the folder ${shown(path)} twice`);
      this.#folders.add(path);
    } else if (path === '' || this.#folders.has(path)) throw strange(`${shown(path)} as a folder and as something else`);
    this.#onEntry(entry);
  }

  #refuseStray(path: string): void {
    if (path === '') return;
    const parts = path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..'))
      throw strange(`the path ${shown(path)}, which is not below the folder`);
    if (!this.#folders.has(parts.slice(0, -1).join('/')))
      throw strange(`the path ${shown(path)}, but not the folder that it lies in`);
  }
}

function parseEntry(entry: string): FoundEntry {
  const found = shape.exec(entry);
  if (found === null) throw strange(`something that is no entry (${shown(entry.slice(0, 80))})`);
  const [head, kind = '', mode = '', size = '', blocks = '', seconds = '', fraction = ''] = found;
  return {
    kind,
    path: entry.slice(head.length),
    mode: permissionsOf(kind, Number.parseInt(mode, 8)),
    size: Number(size),
    modifiedNs: nanoseconds(seconds, fraction),
    isSparse: Number(blocks) * 512 < Number(size) / 2,
  };
}

/** A backup has no use for programs that run as somebody else; folders keep the group of what is made in them. */
function permissionsOf(kind: string, mode: number): number {
  return mode & (kind === 'd' ? 0o3777 : 0o777);
}

/** `1795000000.1234567890`, as find(1) prints `%T@`. */
function nanoseconds(seconds: string, fraction: string): bigint {
  const whole = BigInt(seconds);
  const told = whole > farthestTime ? farthestTime : whole < -farthestTime ? -farthestTime : whole;
  return told * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

function strange(what: string): OperatorError {
  return new OperatorError('command-failed', `find reported ${what}`, {
    hint: 'GNU find never does this: find out which program runs as find, and whether somebody has changed it',
  });
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 200));
}
