/**
 * Every value of `compression` (docs/reference/catalog.md section 8.1), in the order in which they are told. A new codec is a file in
 * `codecs` and its name here; the compiler then asks for it in `all-codecs.ts`. Names alone: reading a configuration loads no codec.
 */
export const compressionNames = [
  'gzip',
  'bzip2',
  'pygzip',
  'pybzip2',
  'pigz',
  'xz',
  'zstd',
  'lz4',
  'snappy',
  'custom',
] as const;

/** Older names of codecs. */
export const olderNames = { pygzip: 'gzip', pybzip2: 'bzip2' } as const;

/** A name that `compression` may have. */
type CompressionName = (typeof compressionNames)[number];

/** A codec of ours: `custom` is one of each server's own. */
export type CodecName = Exclude<CompressionName, keyof typeof olderNames | 'custom'>;
