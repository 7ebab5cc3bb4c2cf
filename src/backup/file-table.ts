import { bytesOf, nameOf } from '../shared/file-name.ts';

/** Files of one chunk, in columns. */
interface Chunk {
  readonly names: Buffer;
  /** Where each name ends in `names`. */
  readonly ends: Uint32Array;
  readonly sizes: Float64Array;
  readonly times: BigInt64Array;
  readonly modes: Uint16Array;
  readonly sparse: Uint8Array;
}

const chunkFiles = 4096;

/** The files of a folder of the cluster in little memory: some 60 bytes for each, so that a million of them is no matter. */
export class FileTable {
  readonly #chunks: Chunk[] = [];
  #open: SourceFile[] = [];

  add(file: SourceFile): void {
    this.#open.push(file);
    if (this.#open.length < chunkFiles) return;
    this.#chunks.push(packed(this.#open));
    this.#open = [];
  }

  get length(): number {
    return this.#chunks.length * chunkFiles + this.#open.length;
  }

  /** The file with that number, from 0 on, in the order in which they were added. */
  at(index: number): SourceFile {
    const chunk = this.#chunks[Math.floor(index / chunkFiles)];
    const file = chunk === undefined ? this.#open[index % chunkFiles] : unpacked(chunk, index % chunkFiles);
    if (file === undefined) throw new RangeError(`there is no file ${String(index)} among ${String(this.length)}`);
    return file;
  }
}

/** Some files of a table. */
export class FileSelection implements Iterable<SourceFile> {
  readonly #table: FileTable;
  readonly #indexes: number[];
  #bytes = 0;

  constructor(table: FileTable) {
    this.#table = table;
    this.#indexes = [];
  }

  add(index: number): void {
    this.#indexes.push(index);
    this.#bytes += this.#table.at(index).size;
  }

  get length(): number {
    return this.#indexes.length;
  }

  /** Of all files together. */
  get bytes(): number {
    return this.#bytes;
  }

  *[Symbol.iterator](): Generator<SourceFile> {
    for (const index of this.#indexes) yield this.#table.at(index);
  }

  /** Those that a rule holds for. */
  which(rule: (file: SourceFile) => boolean): FileSelection {
    const found = new FileSelection(this.#table);
    for (const index of this.#indexes) if (rule(this.#table.at(index))) found.add(index);
    return found;
  }

  /** Deals them to so many selections, the largest file first, each to the one that has least; none of them is empty. */
  deal(count: number): FileSelection[] {
    if (count <= 1 || this.length <= 1) return this.length === 0 ? [] : [this];
    const sizes = Float64Array.from(this.#indexes, (index) => this.#table.at(index).size);
    const largestFirst = Uint32Array.from(sizes.keys()).sort((one, other) => (sizes[other] ?? 0) - (sizes[one] ?? 0));
    const dealt = Array.from({ length: Math.min(count, this.length) }, () => new FileSelection(this.#table));
    for (const position of largestFirst)
      dealt.reduce((least, one) => (one.#cost < least.#cost ? one : least)).add(this.#indexes[position] ?? 0);
    for (const one of dealt) one.#indexes.sort((first, second) => first - second);
    return dealt;
  }

  /** A file costs something even when it is empty. */
  get #cost(): number {
    return this.#bytes + this.length * 4096;
  }
}

function packed(files: readonly SourceFile[]): Chunk {
  const names = files.map(({ path }) => bytesOf(path));
  let end = 0;
  return {
    names: Buffer.concat(names),
    ends: Uint32Array.from(names, ({ length }) => (end += length)),
    sizes: Float64Array.from(files, ({ size }) => size),
    times: BigInt64Array.from(files.map(({ modifiedNs }) => modifiedNs)),
    modes: Uint16Array.from(files, ({ mode }) => mode),
    sparse: Uint8Array.from(files, ({ isSparse }) => (isSparse ? 1 : 0)),
  };
}

function unpacked({ names, ends, sizes, times, modes, sparse }: Chunk, index: number): SourceFile | undefined {
  const [size, modifiedNs, mode] = [sizes[index], times[index], modes[index]];
  if (size === undefined || modifiedNs === undefined || mode === undefined) return undefined;
  const path = nameOf(names.subarray(index === 0 ? 0 : ends[index - 1], ends[index]));
  return { path, size, mode, modifiedNs, isSparse: sparse[index] === 1 };
}

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
