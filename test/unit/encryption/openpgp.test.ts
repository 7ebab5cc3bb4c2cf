import { expect, test } from 'vitest';
import { isEncrypted } from '../../../src/encryption/openpgp.ts';

test.each([
  { title: 'a session key packet of RSA, old format', hex: '85018c03', encrypted: true },
  { title: 'one of an elliptic curve, old format', hex: '845e03', encrypted: true },
  { title: 'one with a length of four bytes', hex: '860000018c03', encrypted: true },
  { title: 'one of the new format', hex: 'c15e03', encrypted: true },
  { title: 'one of the new format with a length of two bytes', hex: 'c1c03403', encrypted: true },
  { title: 'one of version 6', hex: 'c15e06', encrypted: true },
  { title: 'an armored message', hex: Buffer.from('-----BEGIN PGP MESSAGE-----').toString('hex'), encrypted: true },
  { title: 'a packet of a version that does not exist', hex: '845e09', encrypted: false },
  { title: 'a signature', hex: '885e03', encrypted: false },
  { title: 'an armored key', hex: Buffer.from('-----BEGIN PGP PUBLIC KEY').toString('hex'), encrypted: false },
  { title: 'a WAL segment of PostgreSQL 9.6', hex: '93d00200', encrypted: false },
  { title: 'a WAL segment of PostgreSQL 15', hex: '10d10700', encrypted: false },
  { title: 'a gzip file', hex: '1f8b0800', encrypted: false },
  { title: 'a history file', hex: '31093000', encrypted: false },
  { title: 'its first byte alone', hex: '85', encrypted: false },
  { title: 'nothing', hex: '', encrypted: false },
])('$title is encrypted: $encrypted', ({ hex, encrypted }) => {
  expect(isEncrypted(Buffer.from(hex, 'hex'))).toBe(encrypted);
});
