import { rsyncShell } from '../ssh/ssh-command.ts';

/** Rules in the words of rsync(1), section "FILTER RULES". */
interface RsyncFilters {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Left out, and what the destination has of it is not deleted either. */
  readonly protect?: readonly string[];
}

/** The copy of one run of rsync: the content of a folder to a folder, both absolute. */
export interface RsyncJob {
  readonly source: string;
  readonly destination: string;
  /** The side that `sshCommand` reaches; undefined when both are here. */
  readonly remote?: { readonly side: 'source' | 'destination'; readonly sshCommand: string } | undefined;
  readonly filters?: RsyncFilters;
  /** Only these paths below the source; without it the whole folder. Given by a function they are asked for when rsync has logged in. */
  readonly files?: readonly string[] | (() => AsyncIterable<string>);
  /** Which files of the destination (or of `reuse`) count as the same: by size and time, by content, or none. */
  readonly compares?: 'size-and-time' | 'content' | 'nothing';
  /** Where to look for files before they are sent: copied or hard-linked from there when they are the same. */
  readonly reuse?: { readonly kind: 'copy' | 'link'; readonly folder: string } | undefined;
  readonly symbolicLinks: 'follow' | 'keep';
  /** The source is the word of another host: links of the destination lead it nowhere, and no program comes from it that runs as somebody else. */
  readonly isSourceForeign?: boolean;
  /** Removes from the destination what the source does not have or the filters leave out. */
  readonly deletes?: boolean;
  /** False makes a new file and renames it: for files that may already be a hard link to another backup's. */
  readonly writesInPlace?: boolean;
  /** False for files without holes: looking for them takes a system call for each kilobyte. */
  readonly keepsHoles?: boolean;
  readonly compresses?: boolean;
  /** The rsync over there is older than 3.1 and does not know `--ignore-missing-args`: it tells of each missing file instead. */
  readonly isOtherSideOld?: boolean;
  /** 0 for no limit. */
  readonly kilobytesPerSecond?: number;
}

/**
 * The command line of a job (docs/reference/engine.md section 6.4). Owners are not kept, files are written in place unless that is ruled out, and arguments reach the other side
 * unchanged by its shell (`-s`). A list of files comes on standard input.
 */
export function rsyncArguments(job: RsyncJob): string[] {
  const { remote, filters = {}, files, compares = 'size-and-time', reuse, kilobytesPerSecond = 0 } = job;
  return [
    'rsync',
    ...(remote === undefined ? [] : ['-e', rsyncShell(remote.sshCommand)]),
    ...(job.compresses === true ? ['-z'] : []),
    ...(filters.include ?? []).map((rule) => `--include=${rule}`),
    ...(filters.exclude ?? []).map((rule) => `--exclude=${rule}`),
    ...(filters.protect ?? []).flatMap((rule) => [`--exclude=${rule}`, `--filter=P_${rule}`]),
    ...(job.isSourceForeign === true
      ? ['-rLpts', '--chmod=Fug-s,F-t']
      : [job.symbolicLinks === 'follow' ? '-rLKpts' : '-rlpts']),
    ...(job.deletes === true ? ['--delete-excluded'] : []),
    ...(job.writesInPlace === false ? [] : ['--inplace']),
    ...(job.keepsHoles === false ? [] : ['--sparse']),
    ...(reuse === undefined ? [] : [`--${reuse.kind}-dest=${reuse.folder}`]),
    ...(compares === 'content' ? ['--checksum'] : compares === 'nothing' ? ['--ignore-times'] : []),
    ...(files === undefined ? [] : ['--files-from=-', '--from0']),
    ...(job.isOtherSideOld === true ? [] : ['--ignore-missing-args']),
    ...(kilobytesPerSecond > 0 ? [`--bwlimit=${String(kilobytesPerSecond)}`] : []),
    '--info=progress2',
    '--outbuf=L',
    endPoint(job, 'source'),
    endPoint(job, 'destination'),
  ];
}

/** Paths of the other side have no host: the command names it. */
function endPoint(job: RsyncJob, side: 'source' | 'destination'): string {
  const path = `${job[side].replace(/\/+$/, '')}/`;
  return job.remote?.side === side ? `:${path}` : path;
}
