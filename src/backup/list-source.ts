import { OperatorError } from '../shared/operator-error.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import type { Host } from '../transport/hosts/host.ts';
import { failureOf, lastLines } from '../transport/programs/program-result.ts';
import { type CopyRule, matcherOf } from './copy-rules.ts';
import { FileTable } from './file-table.ts';
import { FindEntries, type FoundEntry, outwardKind } from './find-entries.ts';

interface SourceFolder {
  readonly path: string;
  readonly mode: number;
}

export interface SourceListing {
  readonly files: FileTable;
  /** Parents first; the root itself is the first, with an empty path. */
  readonly folders: readonly SourceFolder[];
  /** Descriptions of entries that are neither files nor folders, except those that the rules leave out. */
  readonly leftOut: readonly string[];
}

interface ListOptions {
  readonly host: Host;
  /** Absolute. */
  readonly root: string;
  /** Patterns of rsync that a name of the first level must match one of; all do when undefined. */
  readonly include?: readonly string[];
  readonly exclude: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Walks a folder of the cluster once. What vanishes meanwhile is not there.
 * @throws OperatorError `command-failed` naming what could not be read, `program-missing` where `find` is not GNU's
 */
export async function listSource({ host, root, include, exclude, signal }: ListOptions): Promise<SourceListing> {
  const rules = { isExcluded: matcherOf(exclude), isIncluded: include === undefined ? () => true : matcherOf(include) };
  const listing = new Listing(rules);
  const entries = new FindEntries((entry) => listing.add(entry));
  const strange = new AbortController();
  const result = await host.run(['sh', '-c', script, 'sh', root, FindEntries.outwardFormat, ...expression(exclude, include)], {
    signal: AbortSignal.any([signal, strange.signal]),
    onStdout: (chunk) => {
      try {
        if (!strange.signal.aborted) entries.write(chunk);
      } catch (error) {
        strange.abort(error);
      }
    },
  });
  throwIfInterrupted(signal);
  if (strange.signal.aborted) throw listingRefused(host, root, strange.signal.reason);
  if (result.exitCode !== 0 && !listing.takesWords(result.stderr)) throw listingFailed(host, root, result);
  try {
    entries.end();
    listing.end();
  } catch (error) {
    throw listingRefused(host, root, error);
  }
  return listing;
}

/**
 * A link to a folder that the root lies in would bring in all of that, with the backups that may lie there: it is told as such, and not followed. find sees by
 * itself only loops that it walked into.
 */
const script = [
  'cd -- "$1" && format=$2 && shift 2 && folder=$(pwd -P)',
  'while [ "$folder" != / ]; do folder=$(dirname -- "$folder"); set -- -samefile "$folder" -prune -printf "$format" -o "$@"; done',
  'LC_ALL=C exec find -L . "$@"',
].join('\n');

/** An excluded folder is not even walked: `pg_wal` and the tablespaces can be large, and may lead back to where we are. */
function expression(exclude: readonly string[], include: readonly string[] | undefined): string[] {
  const anchored = exclude.filter((pattern) => pattern.startsWith('/'));
  const pruned = anchored.flatMap((pattern) => ['-path', `.${pattern}`, '-prune', '-o']);
  const wanted = include?.flatMap((pattern) => ['!', '-path', `.${pattern}`]);
  const others = wanted === undefined ? [] : ['-path', './*', ...wanted, '-prune', '-o'];
  return [...pruned, ...others, '-printf', FindEntries.format];
}

interface Rules {
  readonly isExcluded: CopyRule;
  readonly isIncluded: CopyRule;
}

/** Told by name; of more only the number. */
const mostLeftOut = 100;
/** More than any cluster has: a listing ends somewhere. */
const mostEntries = 50_000_000;

class Listing implements SourceListing {
  readonly files = new FileTable();
  readonly folders: SourceFolder[] = [];
  readonly leftOut: string[] = [];
  readonly #rules: Rules;
  #length = 0;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  add({ kind, ...file }: FoundEntry): void {
    const { path, mode } = file;
    if (++this.#length > mostEntries)
      throw new OperatorError('command-failed', `find reported more than ${String(mostEntries)} files`);
    if (this.#isLeftOut(path)) return;
    if (kind === 'd') this.folders.push({ path, mode });
    else if (kind === 'f') this.files.add(file);
    else
      this.#leaveOut(path, kind === 'l' ? 'a link that leads nowhere' : (kindNames.get(kind) ?? 'neither a file nor a folder'));
  }

  /** To be called when all was added. @throws OperatorError `command-failed` when a path was added twice */
  end(): void {
    const twice = firstTwice(this.files.length + this.folders.length, (index) =>
      index < this.files.length ? this.files.at(index).path : (this.folders[index - this.files.length]?.path ?? ''),
    );
    if (twice !== undefined) throw new OperatorError('command-failed', `find reported ${JSON.stringify(twice)} twice`);
  }

  /** Takes what find said besides; false when it could not read something. What vanished meanwhile is not there. */
  takesWords(stderr: string): boolean {
    const lines = stderr.split('\n').filter((line) => line.trim() !== '');
    return lines.length > 0 && lines.every((line) => this.#takesLine(line));
  }

  #takesLine(line: string): boolean {
    const looping = /^find: File system loop detected; '\.\/(.*)' is part of the same file system loop as /.exec(line)?.[1];
    if (looping !== undefined) {
      if (!this.#isLeftOut(looping)) this.#leaveOut(looping, outward);
      return true;
    }
    const endless = /^find: '\.\/(.*)': Too many levels of symbolic links$/.exec(line)?.[1];
    if (endless !== undefined) {
      if (!this.#isLeftOut(endless)) this.#leaveOut(endless, 'a link to itself');
      return true;
    }
    return /^find: .*No such file or directory$/.test(line);
  }

  #isLeftOut(path: string): boolean {
    return path !== '' && (this.#rules.isExcluded(path) || !this.#rules.isIncluded(path));
  }

  #leaveOut(path: string, what: string): void {
    const isServersOwn = what === kindNames.get('s') && /^\.s\.PGSQL\.\d+$/.test(path); // a server makes its socket anew
    if (!isServersOwn && this.leftOut.length < mostLeftOut) this.leftOut.push(`${path} (${what})`);
  }
}

const outward = 'a link to a folder that it lies in';
const kindNames: ReadonlyMap<string, string> = new Map([
  [outwardKind, outward],
  ['p', 'a named pipe'],
  ['s', 'a socket'],
  ['b', 'a device'],
  ['c', 'a device'],
]);

function listingRefused(host: Host, root: string, error: unknown): unknown {
  if (!(error instanceof OperatorError)) return error;
  return new OperatorError('command-failed', `cannot list ${root} on ${host.label}: ${error.message}`, {
    hint: error.hint ?? 'examine that folder',
    cause: error,
  });
}

function listingFailed(host: Host, root: string, result: Parameters<typeof failureOf>[0]): OperatorError {
  // such as that of BusyBox and of BSD, in their own words
  const isAnotherFind = /-printf/.test(result.stderr);
  if (result.exitCode === 127 || isAnotherFind)
    return new OperatorError(
      'program-missing',
      `${isAnotherFind ? 'find is not GNU find' : 'find was not found'} on ${host.label}`,
      {
        hint: 'install the package findutils there, or take backups with backup_method = postgres',
      },
    );
  const reason = lastLines(result.stderr, 2);
  return new OperatorError('command-failed', `cannot list ${root} on ${host.label}: ${reason}`, {
    hint: 'the user of the ssh_command must be able to read the data folder: it is usually postgres',
    cause: failureOf(result, 'find'),
  });
}

/**
 * The first text that stands twice in a list, which may be long: the texts are asked for one after the other, and only a number is kept of
 * each.
 */
function firstTwice(length: number, textAt: (index: number) => string): string | undefined {
  const hashes = new Float64Array(length);
  for (let index = 0; index < length; index++) hashes[index] = hashOf(textAt(index));
  const sorted = hashes.toSorted();
  const suspects = new Set(sorted.filter((hash, index) => index > 0 && hash === sorted[index - 1]));
  if (suspects.size === 0) return undefined;
  const seen = new Set<string>();
  for (let index = 0; index < length; index++) {
    if (!suspects.has(hashes[index] ?? 0)) continue;
    const text = textAt(index);
    if (seen.has(text)) return text;
    seen.add(text);
  }
  return undefined;
}

/** 52 bits: other texts seldom have the same. */
function hashOf(text: string): number {
  let [low, high] = [0x811c9dc5, 0x1b873593];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 15);
  }
  return (low >>> 0) * 0x100000 + ((high ^ (high >>> 13)) & 0xfffff);
}
