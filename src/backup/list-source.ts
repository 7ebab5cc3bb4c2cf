import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/host.ts';
import { failureOf, lastLines } from '../transport/program-result.ts';
import { type CopyRule, matcherOf } from './copy-rules.ts';

/** A file of the cluster as one walk over the host found it; symbolic links are followed. */
export interface SourceFile {
  /** Below the root of its item. */
  readonly path: string;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Nanoseconds since the epoch. */
  readonly modifiedNs: bigint;
  /** Most of it takes no space on the server's disk, and so it shall be here. */
  readonly isSparse: boolean;
}

interface SourceFolder {
  readonly path: string;
  readonly mode: number;
}

export interface SourceListing {
  readonly files: readonly SourceFile[];
  /** Parents first; the root itself is the first, with an empty path. */
  readonly folders: readonly SourceFolder[];
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
 * @throws OperatorError `command-failed` naming what could not be read
 */
export async function listSource({ host, root, include, exclude, signal }: ListOptions): Promise<SourceListing> {
  // what lies in an excluded folder is not even walked: pg_wal and the tablespaces can be large
  const pruned = exclude.filter((pattern) => pattern.startsWith('/')).flatMap((pattern) => ['-o', '-path', `.${pattern}`]);
  const script = 'cd -- "$1" && shift && exec find -L . "$@"';
  const words = ['(', ...pruned.slice(1), ')', '-prune', '-o', '-printf', String.raw`%y %m %s %b %T@ %P\0`];
  const result = await host.run(['sh', '-c', script, 'sh', root, ...(pruned.length === 0 ? words.slice(-2) : words)], {
    signal,
  });
  if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal');
  if (result.exitCode !== 0 && !hasOnlyVanished(result.stderr)) throw listingFailed(host, root, result);
  return parseListing(result.stdout, { isExcluded: matcherOf(exclude), isIncluded: includedBy(include) });
}

function includedBy(include: readonly string[] | undefined): CopyRule {
  return include === undefined ? () => true : matcherOf(include);
}

function hasOnlyVanished(stderr: string): boolean {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 0 && lines.every((line) => /^find: .*No such file or directory$/.test(line));
}

function listingFailed(host: Host, root: string, result: Parameters<typeof failureOf>[0]): OperatorError {
  if (result.exitCode === 127)
    return new OperatorError('program-missing', `the program find was not found on ${host.label}`, {
      hint: 'install the package findutils there',
    });
  const reason = lastLines(result.stderr, 2);
  return new OperatorError('command-failed', `cannot list ${root} on ${host.label}: ${reason}`, {
    hint: 'the user of the ssh_command must be able to read the data folder: it is usually postgres',
    cause: failureOf(result, 'find'),
  });
}

interface Rules {
  readonly isExcluded: CopyRule;
  readonly isIncluded: CopyRule;
}

function parseListing(text: string, { isExcluded, isIncluded }: Rules): SourceListing {
  const files: SourceFile[] = [];
  const folders: SourceFolder[] = [];
  for (const entry of text.split('\0')) {
    const [kind = '', mode = '', size = '', blocks = '', time = ''] = entry.split(' ', 5);
    const path = entry.slice(kind.length + mode.length + size.length + blocks.length + time.length + 5);
    if (path !== '' && (isExcluded(path) || !isIncluded(path))) continue;
    if (kind === 'd') folders.push({ path, mode: Number.parseInt(mode, 8) });
    else if (kind === 'f')
      files.push({
        path,
        mode: Number.parseInt(mode, 8),
        size: Number(size),
        modifiedNs: nanoseconds(time),
        isSparse: Number(blocks) * 512 < Number(size) / 2,
      });
  }
  return { files, folders };
}

/** `1795000000.1234567890`, as find(1) prints `%T@`. */
function nanoseconds(text: string): bigint {
  const [seconds = '0', fraction = ''] = text.split('.');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}
