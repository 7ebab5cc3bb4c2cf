import { programCodec } from '../program-codec.ts';

export const bzip2 = programCodec({
  name: 'bzip2',
  family: 'bzip2',
  unpacker: 'bzip2',
  isTestedBeforeCustom: true,
  magic: '425a68',
  levels: { least: 1, most: 9, low: 1, medium: 5, high: 9 },
  compressWords: (level) => ['-c', `-${String(level)}`],
  decompressWords: ['-dc'],
});
