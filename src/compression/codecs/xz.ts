import { programCodec } from '../program-codec.ts';

export const xz = programCodec({
  name: 'xz',
  family: 'xz',
  package: 'xz-utils',
  unpacker: 'xz',
  magic: 'fd377a585a00',
  levels: { least: 1, most: 9, low: 1, medium: 3, high: 5 },
  compressWords: (level) => ['-c', `-${String(level)}`],
  decompressWords: ['-dc'],
});
