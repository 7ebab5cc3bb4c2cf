import { Readable } from 'node:stream';
import { decompress, detectCompression, headLength, readHead } from '../compression/all-codecs.ts';
import {
  type CodecSurroundings,
  type CustomCompression,
  contentOf,
  type DetectedCompression,
  type PackedContent,
} from '../compression/codec.ts';
import { customCompressionOf } from '../compression/custom-codec.ts';
import { StallWatch, stalled, usualStallMs } from '../compression/stall-watch.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { askPassphrase, type Decryption, decryptionFailure, startDecryption } from './gpg.ts';
import { encryptionHeadLength, isEncrypted } from './openpgp.ts';

/** The part of a server that says how its WAL is stored. */
export interface StoringServer {
  readonly programPath: string;
  readonly environment: CodecSurroundings['environment'];
  readonly config: { readonly options: StoringOptions };
}

type StoringOptions = Parameters<typeof customCompressionOf>[0] & {
  readonly encryption_passphrase_command?: string | undefined;
};

/** How WAL files of a server are read: compressed or not, and then encrypted or not. */
export interface WalStorage extends CodecSurroundings {
  /** The passphrase, which is asked for once; undefined when no command is set. */
  readonly passphrase: (() => Promise<Uint8Array>) | undefined;
}

/** The outermost layer of a stored file; what is inside of an encryption cannot be seen. */
export interface StoredForm {
  readonly compression: DetectedCompression | undefined;
  readonly encryption: 'gpg' | undefined;
}

/** Content without encryption, and the compression it then has. */
export interface ClearContent extends PackedContent {
  readonly compression: DetectedCompression | undefined;
  /** The file in which it lies as it is; undefined for what is decrypted on the way. */
  readonly path?: string;
}

/** How a server's archive is read, for one piece of work: the passphrase is kept no longer than this is. */
export function storageOf({ programPath, environment, config: { options } }: StoringServer): WalStorage {
  const { encryption_passphrase_command: command } = options;
  let asked: Promise<Uint8Array> | undefined;
  return {
    path: programPath,
    environment,
    custom: customCompressionOf(options),
    passphrase:
      command === undefined
        ? undefined
        : async () => {
            asked ??= askPassphrase(command, { environment });
            return await asked;
          },
  };
}

/** The same for files that were not archived by us: what nothing identifies is plain. */
export function arrivalsOf(storage: WalStorage): WalStorage {
  return { ...storage, custom: storage.custom === undefined ? undefined : { ...storage.custom, isAssumed: false } };
}

/** The form of a file, as its first bytes show it. */
export async function formOf(path: string, { custom }: Pick<WalStorage, 'custom'>): Promise<StoredForm> {
  return formOfHead(await readHead(path, formHeadLength(custom)), custom);
}

/** How many bytes {@link formOfHead} looks at. */
export function formHeadLength(custom: CustomCompression | undefined): number {
  return Math.max(headLength(custom), encryptionHeadLength);
}

/** As {@link formOf}, from the first bytes of the file. */
export function formOfHead(head: Buffer, custom: CustomCompression | undefined): StoredForm {
  if (isEncrypted(head)) return { compression: undefined, encryption: 'gpg' };
  return { compression: detectCompression(head, custom), encryption: undefined };
}

/**
 * Hands on the content of a file without its encryption. Nothing of it is written to disk.
 * @throws OperatorError `decryption-failed` after `use`, which then got less than all; without a passphrase command before
 */
export async function readClear<T>(path: string, storage: WalStorage, use: (content: ClearContent) => Promise<T>): Promise<T> {
  const { compression, encryption } = await formOf(path, storage);
  if (encryption === undefined) return await use({ ...contentOf(path), compression, path });
  const decryption = await startDecryption(path, await passphraseFor(path, storage), storage);
  return await useDecrypted(path, decryption, storage, use);
}

/** Writes the plain content of a file that may be compressed and encrypted, and leaves the stream open. */
export async function writePlainWal(path: string, to: NodeJS.WritableStream, storage: WalStorage): Promise<void> {
  await readClear(path, storage, async (content) => {
    await decompress(content, content.compression, { to, surroundings: storage });
  });
}

/**
 * The passphrase for an encrypted file.
 * @throws OperatorError `decryption-failed` when there is no way to it
 */
async function passphraseFor(path: string, { passphrase }: WalStorage): Promise<Uint8Array> {
  if (passphrase !== undefined) return await passphrase();
  throw new OperatorError('decryption-failed', `${path} is encrypted, and there is no encryption_passphrase_command`, {
    hint: 'set encryption_passphrase_command to a command that prints the passphrase of the key',
  });
}

async function useDecrypted<T>(
  path: string,
  decryption: Decryption,
  storage: WalStorage,
  use: (content: ClearContent) => Promise<T>,
): Promise<T> {
  const { stdout, ended } = decryption;
  const { stallMs = usualStallMs } = storage;
  const awaited = new AwaitedChunks(stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>); // no encoding is set
  const progress = () => Promise.resolve(awaited.progress);
  using watch = new StallWatch({ stallMs, progress, onStall: () => decryption.abandon() });
  const failureNow = async (): Promise<OperatorError | undefined> => {
    const result = await ended;
    return watch.hasStalled ? stalled(path, stallMs) : decryptionFailure(path, result);
  };
  const head = await takeHead(awaited, headLength(storage.custom)).catch(async (error: unknown) => {
    throw (await failureNow()) ?? error;
  });
  if (head.length < headLength(storage.custom)) {
    const failure = await failureNow(); // it has ended: tell before anything is done with nothing
    if (failure !== undefined) throw failure;
  }
  const open = (): Readable => Readable.from(joined(head, awaited), { objectMode: false });
  const [outcome] = await Promise.allSettled([use({ name: path, compression: detectCompression(head, storage.custom), open })]);
  const wasTakenWhole = stdout.readableEnded;
  stdout.destroy(); // a reader that gave up half-way must not leave the program waiting
  const failure = await failureNow();
  if (failure !== undefined && (wasTakenWhole || watch.hasStalled)) throw failure; // the reader's words about half a file do not matter
  if (outcome.status === 'rejected') throw outcome.reason;
  if (failure !== undefined) throw failure;
  return outcome.value;
}

/** Chunks of a program, and whether it is the program that lets somebody wait. */
class AwaitedChunks implements AsyncIterator<Buffer> {
  readonly #chunks: AsyncIterator<Buffer>;
  #passed = 0;
  #isAwaited = false;

  constructor(chunks: AsyncIterator<Buffer>) {
    this.#chunks = chunks;
  }

  /** Changes with each chunk; undefined while nobody asks for one. */
  get progress(): string | undefined {
    return this.#isAwaited ? String(this.#passed) : undefined;
  }

  async next(): Promise<IteratorResult<Buffer, unknown>> {
    this.#isAwaited = true;
    const next: IteratorResult<Buffer, unknown> = await this.#chunks.next();
    this.#isAwaited = false;
    this.#passed++;
    return next;
  }
}

async function takeHead(chunks: AsyncIterator<Buffer, unknown>, length: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < length) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer, unknown>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  yield* { [Symbol.asyncIterator]: () => rest };
}
