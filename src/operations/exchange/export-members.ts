import { createReadStream } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { oddNames } from '../../shared/byte-tar.ts';
import { nameOf, onDisk } from '../../shared/file-name.ts';
import { entriesIn } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/** Puts members into a tar stream one after the other, each to its end. */
export class MemberWriter {
  readonly #pack: Pack;
  readonly #onBytes: (count: number) => void;

  constructor(pack: Pack, onBytes: (count: number) => void) {
    this.#pack = pack;
    this.#onBytes = onBytes;
  }

  /** A small file with this content. */
  async text(name: string, content: string, modifiedAt: Date): Promise<void> {
    const data = Buffer.from(content);
    await this.#finished((done) => {
      this.#pack.entry({ name, size: data.length, mode: 0o644, mtime: modifiedAt, uid: 0, gid: 0 }, data, done);
    });
  }

  /** The file at a path as it is stored. @throws OperatorError `file-unreadable` when it changes meanwhile */
  async file(name: string, path: string): Promise<void> {
    const { size, mode, mtime, uid, gid } = await lstat(onDisk(path));
    const shortName = this.#tellOddNames({ path: name });
    await this.#finished((done) => {
      const entry = this.#pack.entry({ name: shortName, size, mode: mode & 0o7777, mtime, uid, gid }, done);
      const content = createReadStream(onDisk(path), { highWaterMark: 1 << 20 });
      content.on('data', (chunk) => {
        this.#onBytes(chunk.length);
      });
      pipeline(content, entry).catch(done);
    });
  }

  /** A folder, without what is in it. */
  async folder(name: string): Promise<void> {
    await this.#finished((done) => {
      this.#pack.entry({ name: `${name}/`, type: 'directory', mode: 0o755, uid: 0, gid: 0 }, done);
    });
  }

  /** A folder with all that is in it; symbolic links stay links, and names at the top that are left out are not visited. */
  async tree(name: string, path: string, leftOut: ReadonlySet<string> = new Set()): Promise<void> {
    const { mode, mtime, uid, gid } = await lstat(onDisk(path));
    const shortName = this.#tellOddNames({ path: `${name}/` });
    await this.#finished((done) => {
      this.#pack.entry({ name: shortName, type: 'directory', mode: mode & 0o7777, mtime, uid, gid }, done);
    });
    for (const child of (await entriesIn(path)).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (leftOut.has(child.name)) continue;
      const [inside, below] = [`${name}/${child.name}`, join(path, child.name)];
      if (child.isDirectory()) await this.tree(inside, below);
      else if (child.isFile()) await this.file(inside, below);
      else if (child.isSymbolicLink()) await this.#link(inside, below);
      else {
        throw new OperatorError('file-unreadable', `${below} is neither a file nor a folder: it cannot be exported`, {
          hint: 'no backup has such a file: find out where it comes from',
        });
      }
    }
  }

  async #link(name: string, path: string): Promise<void> {
    const { mtime, uid, gid } = await lstat(onDisk(path));
    const linkname = nameOf(await readlink(onDisk(path), 'buffer'));
    const shortName = this.#tellOddNames({ path: name, linkpath: linkname });
    await this.#finished((done) => {
      const shortLink = shortName === name ? linkname : 'see the extended header';
      this.#pack.entry({ name: shortName, type: 'symlink', linkname: shortLink, mtime, uid, gid }, done);
    });
  }

  /** The name of the member itself: an extended header before it takes the place of a name that it cannot have. */
  #tellOddNames(names: Parameters<typeof oddNames>[0]): string {
    const header = oddNames(names);
    if (header === undefined) return names.path;
    this.#pack.push(header); // no member is open
    return names.path.replaceAll(/[^ -~]/g, '_').slice(-90);
  }

  async #finished(write: (done: (error?: Error | null) => void) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      write((error) => {
        if (error == null) resolve();
        else reject(error);
      });
    });
  }
}
