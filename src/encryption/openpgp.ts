const armorHeader = Buffer.from('-----BEGIN PGP MESSAGE-----');
const sessionKeyPacket = 1;
/** Versions of that packet that exist. */
const packetVersions = [3, 6];
/** Bytes of a file's beginning that {@link isEncrypted} wants to see. */
export const encryptionHeadLength = armorHeader.length;

/**
 * Whether a file that begins so is encrypted for a public key (RFC 9580 sections 4.2 and 5.1): its first packet has the tag 1, or it is
 * armored. Nothing else that lies in a WAL archive begins with such a packet and its version.
 */
export function isEncrypted(firstBytes: Buffer): boolean {
  if (firstBytes.subarray(0, armorHeader.length).equals(armorHeader)) return true;
  const [header = 0] = firstBytes;
  if ((header & 0b1000_0000) === 0) return false;
  const isNewFormat = (header & 0b0100_0000) !== 0;
  const tag = isNewFormat ? header & 0b0011_1111 : (header & 0b0011_1100) >>> 2;
  const version = firstBytes[1 + (isNewFormat ? newLengthBytes(firstBytes[1] ?? 0) : oldLengthBytes(header))];
  return tag === sessionKeyPacket && version !== undefined && packetVersions.includes(version);
}

function oldLengthBytes(header: number): number {
  return [1, 2, 4, 0][header & 0b11] ?? 0;
}

function newLengthBytes(first: number): number {
  if (first < 192) return 1;
  return first < 224 ? 2 : 5;
}
