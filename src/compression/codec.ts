/** Names that `compression` may have and that are built (catalog.md section 8.1); `pigz`, `pygzip`, `pybzip2` write what their short names write. */
export type CompressionName = 'gzip' | 'bzip2' | 'pigz' | 'pygzip' | 'pybzip2' | 'xz' | 'zstd' | 'lz4';

/** What is found in a file: the older names and `pigz` cannot be told from `gzip` and `bzip2`. */
export type DetectedCompression = 'gzip' | 'bzip2' | 'xz' | 'zstd' | 'lz4' | 'snappy';

export type CompressionLevel = 'low' | 'medium' | 'high' | number;

/** Where programs are looked for and what they run with. */
export interface CodecSurroundings {
  /** Colon separated folders. */
  readonly path: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** One family of compressed files. */
export interface Codec {
  /** Name that the WAL index gets. */
  readonly name: DetectedCompression;
  readonly magic: Buffer;
  readonly levels: {
    readonly least: number;
    readonly most: number;
    readonly low: number;
    readonly medium: number;
    readonly high: number;
  };
  /** Compresses `from` to the new file `to`; does not sync it. Leaves `from` as it is. */
  compress(from: string, to: string, level: number, surroundings: CodecSurroundings): Promise<void>;
  /** Writes the plain content of `from` to the stream, and leaves the stream open. Rejects when the file is damaged. */
  decompress(from: string, to: NodeJS.WritableStream, surroundings: CodecSurroundings): Promise<void>;
}

/** A level for a codec: words as its table has them, numbers brought into its range. */
export function levelFor(codec: Codec, level: CompressionLevel): number {
  if (typeof level === 'string') return codec.levels[level];
  return Math.min(codec.levels.most, Math.max(codec.levels.least, level));
}
