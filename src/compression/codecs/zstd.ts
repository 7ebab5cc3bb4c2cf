import { programCodec } from '../program-codec.ts';

export const zstd = programCodec({
  name: 'zstd',
  family: 'zstd',
  magic: '28b52ffd',
  levels: { least: -22, most: 22, low: 1, medium: 4, high: 9 },
  compressWords: (level) => ['-c', '-q', '--single-thread', ...levelWords(level)],
  decompressWords: ['-dc', '-q'],
});

/** The program spells negative levels `--fast=N` and wants to be asked for the highest ones. */
function levelWords(level: number): string[] {
  if (level < 0) return [`--fast=${String(-level)}`];
  return level > 19 ? ['--ultra', `-${String(level)}`] : [`-${String(Math.max(1, level))}`];
}
