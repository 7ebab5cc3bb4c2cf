import { randomBytes } from 'node:crypto';

/** Random bytes that begin as a WAL page of PostgreSQL 18 does: nothing takes them for compressed or encrypted. */
export function walContent(bytes: number): Buffer {
  const content = randomBytes(bytes);
  content.writeUInt16LE(0xd118);
  return content;
}
