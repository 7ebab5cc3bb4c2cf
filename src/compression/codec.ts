import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import type { CodecName } from './codec-names.ts';

/** The compression found in a file: the family of a codec, since `pigz` cannot be told from `gzip`. */
export type DetectedCompression = CodecName | 'custom';

export type CompressionLevel = 'low' | 'medium' | 'high' | number;

/** Where programs are looked for and what they run with. */
export interface CodecSurroundings {
  /** Colon separated folders. */
  readonly path: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Commands of the server's own; without them nothing is ever recognised as theirs. */
  readonly custom?: CustomCompression | undefined;
  /** A program that neither reads nor writes for so long is given up; ten minutes when left out. */
  readonly stallMs?: number;
}

/** The commands behind `compression = custom`. */
export interface CustomCompression {
  readonly compressFilter: string | undefined;
  readonly decompressFilter: string | undefined;
  readonly magic: Buffer | undefined;
  /** Files that nothing identifies are taken for it. */
  readonly isAssumed: boolean;
}

/** Bytes to be decompressed: those of a file, or what comes out of the layer around them. */
export interface PackedContent {
  /** For messages: the path of the file. */
  readonly name: string;
  /** Called once. */
  readonly open: () => Readable;
}

/** One family of compressed files. */
export interface Codec {
  readonly name: DetectedCompression;
  /** The family that its files are recognised as, which is also the name in the WAL index. */
  readonly family: DetectedCompression;
  readonly magic: Buffer;
  /** The program that does the work on this host, and the package that brings it; undefined for what is done in process. */
  readonly program?: { readonly name: string; readonly package: string };
  /** The program that unpacks its files in a pipe, of the same name on every host; undefined where there is none as a matter of course. */
  readonly unpacker?: string;
  /** Its magic is looked for before that of a custom compression: Barman tests names in their order (docs/reference/catalog.md section 8.1). */
  readonly isTestedBeforeCustom?: true;
  readonly levels: {
    readonly least: number;
    readonly most: number;
    readonly low: number;
    readonly medium: number;
    readonly high: number;
  };
  /** Compresses `from` to the new file `to`; does not sync it. Leaves `from` as it is. A level out of range is brought into it. */
  compress(from: string, to: string, level: CompressionLevel, surroundings: CodecSurroundings): Promise<void>;
  /** Writes the plain content to the stream, and leaves the stream open. Rejects when the content is damaged. */
  decompress(from: PackedContent, to: NodeJS.WritableStream, surroundings: CodecSurroundings): Promise<void>;
}

/** For codecs that know no levels. */
export const noLevels: Codec['levels'] = { least: 0, most: 0, low: 0, medium: 0, high: 0 };

/** A level for a codec: words as its table has them, numbers brought into its range. */
export function levelFor(codec: Pick<Codec, 'levels'>, level: CompressionLevel): number {
  if (typeof level === 'string') return codec.levels[level];
  return Math.min(codec.levels.most, Math.max(codec.levels.least, level));
}

/** The bytes of a file as they are. */
export function contentOf(path: string): PackedContent {
  return { name: path, open: () => createReadStream(path, { highWaterMark: 1 << 20 }) };
}

/** The cause of an error about compressed bytes that make no sense. */
class DamagedContent extends Error {}

/** The error for compressed bytes that make no sense; see {@link isDamage}. */
export function damageIn(name: string, reason: string): OperatorError {
  return new OperatorError('file-unreadable', `cannot decompress ${name}: ${reason}`, {
    hint: 'the file is damaged or cut off',
    cause: new DamagedContent(reason),
  });
}

/** The cause alone of an error of {@link damageIn}, without the name of the file; the whole message of any other error. */
export function damageOf(error: unknown): string {
  return error instanceof OperatorError && error.cause instanceof DamagedContent ? error.cause.message : messageOf(error);
}

/** Whether an error says that a file is damaged; any other error says nothing about its content. */
export function isDamage(error: unknown): boolean {
  return error instanceof OperatorError && error.cause instanceof DamagedContent;
}
