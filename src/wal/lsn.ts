declare const lsnBrand: unique symbol;

/** A position in the WAL stream, in bytes (PostgreSQL manual, chapter "WAL Internals"). */
export type Lsn = bigint & { readonly [lsnBrand]: true };

/** Brands a byte position as an LSN. */
export function lsnFromBytes(bytes: bigint): Lsn {
  return bytes as Lsn; // any non-negative 64-bit number is a position
}

/** Reads `16/B374D848`; undefined when the text is no LSN. */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text.trim());
  if (match === null) return undefined;
  return lsnFromBytes((BigInt(`0x${match[1] ?? '0'}`) << 32n) + BigInt(`0x${match[2] ?? '0'}`));
}

/** `16/B374D848`: upper-case hexadecimal without leading zeros. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
