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
