import { programCodec } from '../program-codec.ts';

/** gzip on all cores. */
export const pigz = programCodec({
  name: 'pigz',
  family: 'gzip',
  unpacker: 'gzip',
  magic: '1f8b08',
  levels: { least: 1, most: 9, low: 1, medium: 6, high: 9 },
  compressWords: (level) => ['-c', `-${String(level)}`],
  decompressWords: ['-c', '-d'],
});
