import { programCodec } from '../program-codec.ts';

const always = ['-c', '-q', '--single-thread'];

/**
 * WAL is short records and pages, whose repetitions are near and of five bytes and more: looking for those alone, in a table that stays
 * in the processor's cache, takes 0.6 of what level 4 takes, and its files are smaller (docs/performance.md). Anything else is as at level 1.
 */
const walWords = [...always, '-1', '--zstd=minMatch=5,hashLog=15'];

export const zstd = programCodec({
  name: 'zstd',
  family: 'zstd',
  unpacker: 'zstd',
  magic: '28b52ffd',
  levels: { least: -22, most: 22, low: 1, medium: 4, high: 9 },
  compressWords: (level) => [...always, ...levelWords(level)],
  mediumWords: walWords,
  decompressWords: ['-dc', '-q'],
});

/** The program spells negative levels `--fast=N` and wants to be asked for the highest ones. */
function levelWords(level: number): string[] {
  if (level < 0) return [`--fast=${String(-level)}`];
  return level > 19 ? ['--ultra', `-${String(level)}`] : [`-${String(Math.max(1, level))}`];
}
