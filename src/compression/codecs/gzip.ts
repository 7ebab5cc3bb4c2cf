import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { messageOf, systemCodeOf } from '../../shared/operator-error.ts';
import { type Codec, damageIn, levelFor } from '../codec.ts';

/** In process: faster than starting the program. */
export const gzip: Codec = {
  name: 'gzip',
  family: 'gzip',
  unpacker: 'gzip',
  magic: Buffer.from('1f8b08', 'hex'),
  levels: { least: 1, most: 9, low: 1, medium: 6, high: 9 },
  async compress(from, to, level) {
    await pipeline(
      createReadStream(from),
      createGzip({ level: levelFor(gzip, level) }),
      createWriteStream(to, { flags: 'wx' }),
    );
  },
  async decompress(from, to) {
    try {
      await pipeline(from.open(), createGunzip(), to, { end: false });
    } catch (error) {
      if (systemCodeOf(error)?.startsWith('Z_') !== true) throw error;
      throw damageIn(from.name, messageOf(error));
    }
  },
};
