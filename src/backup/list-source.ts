import { OperatorError } from '../shared/operator-error.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import type { Host } from '../transport/host.ts';
import { failureOf, lastLines } from '../transport/program-result.ts';
import { type CopyRule, matcherOf } from './copy-rules.ts';
import { FileTable } from './file-table.ts';
import { FindEntries } from './find-entries.ts';
import type { SourceFile } from './source-file.ts';

interface SourceFolder {
  readonly path: string;
  readonly mode: number;
}

export interface SourceListing {
  readonly files: FileTable;
  /** Parents first; the root itself is the first, with an empty path. */
  readonly folders: readonly SourceFolder[];
  /** Paths that are not UTF-8, as well as they can be shown: they are left out. */
  readonly unreadable: readonly string[];
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
  // what lies in an excluded folder is not even walked: pg_wal and the tablespaces can be large
  const pruned = exclude.filter((pattern) => pattern.startsWith('/')).flatMap((pattern) => ['-o', '-path', `.${pattern}`]);
  const script = 'cd -- "$1" && shift && LC_ALL=C exec find -L . "$@"';
  const words = ['(', ...pruned.slice(1), ')', '-prune', '-o', '-printf', FindEntries.format];
  const listing = new Listing({ isExcluded: matcherOf(exclude), isIncluded: includedBy(include) });
  const entries = new FindEntries((entry) => listing.add(entry));
  const result = await host.run(['sh', '-c', script, 'sh', root, ...(pruned.length === 0 ? words.slice(-2) : words)], {
    signal,
    onStdout: (chunk) => entries.write(chunk),
  });
  throwIfInterrupted(signal);
  if (result.exitCode !== 0 && !hasOnlyVanished(result.stderr)) throw listingFailed(host, root, result);
  return listing;
}

interface Rules {
  readonly isExcluded: CopyRule;
  readonly isIncluded: CopyRule;
}

/** What decoding puts in the place of bytes that are not UTF-8. */
const replacement = '\ufffd';

class Listing implements SourceListing {
  readonly files = new FileTable();
  readonly folders: SourceFolder[] = [];
  readonly unreadable: string[] = [];
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  add({ kind, ...file }: SourceFile & { readonly kind: string }): void {
    const { path, mode } = file;
    if (path !== '' && (this.#rules.isExcluded(path) || !this.#rules.isIncluded(path))) return;
    if (path.includes(replacement)) this.unreadable.push(path);
    else if (kind === 'd') this.folders.push({ path, mode });
    else if (kind === 'f') this.files.add(file);
  }
}

function includedBy(include: readonly string[] | undefined): CopyRule {
  return include === undefined ? () => true : matcherOf(include);
}

function hasOnlyVanished(stderr: string): boolean {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 0 && lines.every((line) => /^find: .*No such file or directory$/.test(line));
}

function listingFailed(host: Host, root: string, result: Parameters<typeof failureOf>[0]): OperatorError {
  // such as that of BusyBox and of BSD, in their own words
  const isAnotherFind = /-printf/.test(result.stderr);
  if (result.exitCode === 127 || isAnotherFind)
    return new OperatorError(
      'program-missing',
      `${isAnotherFind ? 'find is not that of GNU' : 'find was not found'} on ${host.label}`,
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
