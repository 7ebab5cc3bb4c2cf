import { allCodecs } from '../../compression/all-codecs.ts';
import type { DetectedCompression } from '../../compression/codec.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { controlFile, emptiedFolders, heldControlFile, leftOutFiles } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';

/** A tar file that lies on the host of the destination, without encryption, and the folder that it is unpacked into there. */
interface UnpackingThere {
  readonly archive: string;
  readonly compression: DetectedCompression | undefined;
  readonly destination: string;
  readonly isDataFolder: boolean;
  /** Oids of the tablespaces: their links are made when their places are known. */
  readonly knownOids: ReadonlySet<string>;
  /** The control file keeps its name: what is unpacked is only read by another program. */
  readonly isForReading: boolean;
  /** An attempt before this one may have left files, which are replaced. */
  readonly isRepeated: boolean;
}

/** Compressions whose program unpacks in a pipe, called by the same name everywhere. */
export const unpackedThere: ReadonlySet<string> = new Set(allCodecs.flatMap(({ unpacker }) => unpacker ?? []));

/**
 * Unpacks a tar file on the host of the destination, as `unpackTar` does here: with GNU tar and the program of its compression. What would be written through
 * links or outside of the folder was found out by `checkTar` before the file was sent.
 * @throws OperatorError `command-failed` or `interrupted`
 */
export async function unpackThere(
  restoreHost: RestoreHost,
  unpacking: UnpackingThere,
  onWritten: (bytes: number) => void,
): Promise<void> {
  const result = await restoreHost.run(tarArguments(unpacking), onWritten);
  if (result.exitCode !== 0) throw failureOf(result, 'unpacking on the other host');
}

/** Names of members begin with `./` or not, as who wrote the file liked it. */
function tarArguments(unpacking: UnpackingThere): string[] {
  const { archive, compression, destination, isForReading, isRepeated, isDataFolder } = unpacking;
  const holds = isDataFolder && !isForReading;
  return [
    'tar',
    '--extract',
    `--file=${archive}`,
    '--force-local', // a colon in a path does not name a host
    `--directory=${destination}`,
    ...(compression === undefined ? [] : [`--use-compress-program=${compression}`]),
    '--no-same-owner',
    '--preserve-permissions',
    '--delay-directory-restore',
    ...(isRepeated ? [] : ['--keep-old-files']),
    '--anchored',
    '--wildcards',
    ...excluded(unpacking).flatMap((name) => [`--exclude=${name}`, `--exclude=./${name}`]),
    ...(holds ? [`--transform=flags=r;s,^\\(\\./\\)*${controlFile}$,${heldControlFile},`] : []),
  ];
}

function excluded({ isDataFolder, isForReading, knownOids }: UnpackingThere): string[] {
  if (!isDataFolder) return [];
  const links = [...knownOids].map((oid) => `pg_tblspc/${oid}`);
  if (isForReading) return links;
  return [...links, ...[...emptiedFolders].map((folder) => `${folder}/*`), ...leftOutFiles];
}
