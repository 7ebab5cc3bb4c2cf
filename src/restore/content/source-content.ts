import type { Loss } from '../guards/find-losses.ts';
import type { IncludedFile } from '../recovery/included-files.ts';
import type { FoundFile } from '../recovery/mangle-configuration.ts';

/** The size of a tree in the restored server. */
export interface TreeSize {
  readonly bytes: number;
  readonly files: number;
  /** False when it can only be known by unpacking. */
  readonly isExact: boolean;
  /** Of each file by its path, where that was asked for and can be known. */
  readonly sizes?: ReadonlyMap<string, number>;
}

/** The content of a backup, read without writing anything. */
export interface SourceContent {
  readonly data: TreeSize;
  /** By oid. */
  readonly tablespaces: ReadonlyMap<number, TreeSize>;
  /** Configuration files that were asked for. */
  readonly configuration: ReadonlyMap<string, FoundFile>;
  /** The files that `postgresql.conf` includes, in the order of PostgreSQL. */
  readonly included: readonly IncludedFile[];
  /** The losses since it was taken, as far as names and sizes show them. */
  readonly losses: readonly Loss[];
}

/** The facts that are needed beside bytes and numbers of files. */
export interface WantedContent {
  /** Configuration files. */
  readonly names: readonly string[];
  /** The size of each file by itself. */
  readonly keepsSizes: boolean;
  /** Where the data folder will be. */
  readonly dataFolder: string;
}
