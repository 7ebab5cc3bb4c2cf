/** `%.2f` of Python: a number that lies exactly between two texts goes to the one with an even last digit. */
export function formatFixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  const isTie = Math.abs((value * 2 ** (digits + 1)) % 2) === 1;
  if (!isTie || Number(text.at(-1)) % 2 === 0) return text;
  return (Number(text) - Math.sign(value) * 10 ** -digits).toFixed(digits);
}

/** `99.96%` of a ratio (docs/reference/cli.md section 4). */
export function formatRatio(ratio: number): string {
  return `${formatFixed(ratio * 100, 2)}%`;
}
