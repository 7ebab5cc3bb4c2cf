import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Codec, damageIn, noLevels } from '../codec.ts';
import { readSnappyFrames, SnappyDamage, writeSnappyFrames } from '../snappy-frames.ts';

/** In process: no system has a program for it as a matter of course. */
export const snappy: Codec = {
  name: 'snappy',
  family: 'snappy',
  magic: Buffer.from('ff060000734e61507059', 'hex'),
  levels: noLevels,
  async compress(from, to) {
    await pipeline(
      createReadStream(from, { highWaterMark: 1 << 20 }),
      writeSnappyFrames,
      createWriteStream(to, { flags: 'wx' }),
    );
  },
  async decompress(from, to) {
    try {
      await pipeline(from.open(), readSnappyFrames, to, { end: false });
    } catch (error) {
      if (error instanceof SnappyDamage) throw damageIn(from.name, error.message);
      throw error;
    }
  },
};
