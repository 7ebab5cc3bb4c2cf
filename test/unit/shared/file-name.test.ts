import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOf, nameOf, onDisk } from '../../../src/shared/file-name.ts';
import { entriesIn } from '../../../src/shared/look.ts';

test('every name has a text of its own that gives its bytes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const name = Buffer.from(bytes);
      expect(bytesOf(nameOf(name)).equals(name)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(nameOf(Buffer.from(text))).toBe(text);
    }),
  );
});

test('bytes that are no character stand alone, as in the strings of Python', () => {
  expect(nameOf(Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x2e, 0xf0, 0x9f, 0x98, 0x80, 0x80]))).toBe('caf\udce9.😀\udc80');
  expect(onDisk('/a/ä')).toBe('/a/ä');
  expect(onDisk('/a/\udce9')).toEqual(Buffer.from([0x2f, 0x61, 0x2f, 0xe9]));
});

test('a file of a folder is found under its own name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'names-'));
  try {
    const names = ['caf\udce9.txt', '\udcff\udcfe', 'a\nb', '-rf', 'back\\slash', ' ', 'ä'];
    for (const name of names) await writeFile(onDisk(join(folder, name)), '');
    expect((await entriesIn(folder)).map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    for (const { name } of await entriesIn(folder)) await rm(onDisk(join(folder, name)));
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
