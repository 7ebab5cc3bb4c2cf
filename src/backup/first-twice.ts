/**
 * The first text that stands twice in a list, which may be long: the texts are asked for one after the other, and only a number is kept of
 * each.
 */
export function firstTwice(length: number, textAt: (index: number) => string): string | undefined {
  const hashes = new Float64Array(length);
  for (let index = 0; index < length; index++) hashes[index] = hashOf(textAt(index));
  const sorted = hashes.toSorted();
  const suspects = new Set(sorted.filter((hash, index) => index > 0 && hash === sorted[index - 1]));
  if (suspects.size === 0) return undefined;
  const seen = new Set<string>();
  for (let index = 0; index < length; index++) {
    if (!suspects.has(hashes[index] ?? 0)) continue;
    const text = textAt(index);
    if (seen.has(text)) return text;
    seen.add(text);
  }
  return undefined;
}

/** 52 bits: other texts seldom have the same. */
function hashOf(text: string): number {
  let [low, high] = [0x811c9dc5, 0x1b873593];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995) ^ (high >>> 15);
  }
  return (low >>> 0) * 0x100000 + ((high ^ (high >>> 13)) & 0xfffff);
}
