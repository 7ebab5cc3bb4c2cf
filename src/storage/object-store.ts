/** The facts about an object that are known without reading it. */
export interface ObjectFacts {
  readonly size: number;
  /** When its content was last changed, in seconds since the epoch, as Python computes them. */
  readonly time: number;
}

/** A local file, or a folder with all that is in it, that becomes an object or several. */
export interface AdoptedFile {
  readonly from: string;
  readonly key: string;
}

/** Callbacks around the removal of each key, which is given by its position in the list. */
export interface RemovalWatch {
  before(at: number): Promise<void>;
  after(at: number): Promise<void>;
}

/**
 * Objects under keys: words with slashes between them, as paths below a folder. A key names one object, or everything below it. What a
 * method has stored or removed survives a power cut when it resolves; reading says what is there at that moment.
 */
export interface ObjectStore {
  /** Where it is, for people. */
  readonly location: string;

  /** The words directly below a key, those of the store itself below `''`; none where nothing is. In no order. */
  list(key: string): Promise<readonly string[]>;

  /** Undefined where neither an object nor anything below the key is. */
  stat(key: string): Promise<ObjectFacts | undefined>;

  /** At most `length` bytes of an object from `start` on. Rejects with `ENOENT` where there is none. */
  read(key: string, range: { readonly start: number; readonly length: number }): Promise<Buffer>;

  /**
   * Stores an object as a whole, or not at all.
   * @param options with `onlyIfAbsent` nothing is replaced, whoever stores it at the same time
   * @returns false when there was one already, and nothing was to be replaced
   */
  put(key: string, content: string | Uint8Array, options?: { readonly onlyIfAbsent?: boolean }): Promise<boolean>;

  /**
   * A local path beside the place of a key, where a file can be made that {@link adopt} then takes at no cost. Its name is the suffix behind
   * the last word of the key, the same each time: what a crash leaves there is overwritten.
   */
  stagingPath(key: string, suffix: string): Promise<string>;

  /** Takes local files, which are gone afterwards, in their order; an object of that key is replaced. Their content is synced already. */
  adopt(files: readonly AdoptedFile[]): Promise<void>;

  /** Removes objects, and everything below a key that names more; of one that is not there nothing is said. */
  remove(keys: Iterable<string>, watch?: RemovalWatch): Promise<void>;

  /** Where a key lies on this host, there or not: the fast way to its content. Undefined for a store elsewhere. */
  localPath(key: string): string | undefined;

  /** Makes the store ready to take objects, where nobody has. @throws what keeps it from taking any */
  probe(): Promise<void>;
}
