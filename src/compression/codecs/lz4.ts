import { programCodec } from '../program-codec.ts';

export const lz4 = programCodec({
  name: 'lz4',
  family: 'lz4',
  unpacker: 'lz4',
  magic: '04224d18',
  levels: { least: 0, most: 16, low: 0, medium: 6, high: 10 },
  compressWords: (level) => ['-c', '-q', `-${String(Math.min(12, Math.max(1, level)))}`],
  decompressWords: ['-dc', '-q'],
});
