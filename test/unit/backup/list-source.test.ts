import { join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listSource } from '../../../src/backup/list-source.ts';
import { bytesOf } from '../../../src/shared/file-name.ts';
import type { Host } from '../../../src/transport/hosts/host.ts';
import { localHost } from '../../../src/transport/hosts/local-host.ts';
import { environment } from '../transport/scripts.ts';

/** A host whose find says that, in pieces of some bytes each. */
function hostThatFinds(bytes: Buffer, pieceBytes: number, result: { exitCode?: number; stderr?: string } = {}): Host {
  return {
    ...localHost(environment),
    label: 'db1',
    run: (argv, { onStdout } = {}) => {
      for (let at = 0; at < bytes.length; at += pieceBytes) onStdout?.(bytes.subarray(at, at + pieceBytes));
      return Promise.resolve({ argv, exitCode: 0, signal: undefined, stdout: '', stderr: '', ...result });
    },
  };
}

async function list(host: Host, exclude: readonly string[] = []) {
  const listing = await listSource({ host, root: '/data', exclude, signal: new AbortController().signal });
  return {
    files: Array.from({ length: listing.files.length }, (_, index) => listing.files.at(index)),
    folders: listing.folders,
    leftOut: listing.leftOut,
  };
}

const found = Buffer.concat([
  Buffer.from('d 700 4096 8 1795000000.5 \0d 700 4096 8 1795000000.0 base\0f 600 8192 16 1795000000.1234567890 base/1 ä\n2\0'),
  Buffer.from(
    'f 640 1073741824 16 1795000001.0 base/holes\0d 700 4096 8 1795000001.0 pg_wal\0f 600 1 8 1795000001.0 pg_wal/1\0',
  ),
  Buffer.from('f 4755 1 8 99999999999999999999.5 base/'),
  Buffer.from([0xe4, 0]),
  Buffer.from('l 777 7 0 1795000001.0 gone\0p 600 0 0 1795000001.0 base/pipe\0s 600 0 0 1795000001.0 .s.PGSQL.5432\0'),
]);

describe('a listing', () => {
  test.each([1, 7, 4096])('is read as it comes, in pieces of %i bytes', async (pieceBytes) => {
    expect(await list(hostThatFinds(found, pieceBytes), ['/pg_wal/*'])).toEqual({
      files: [
        { path: 'base/1 ä\n2', size: 8192, mode: 0o600, modifiedNs: 1_795_000_000_123_456_789n, isSparse: false },
        { path: 'base/holes', size: 1024 ** 3, mode: 0o640, modifiedNs: 1_795_000_001_000_000_000n, isSparse: true },
        { path: 'base/\udce4', size: 1, mode: 0o755, modifiedNs: 9_000_000_000_500_000_000n, isSparse: false },
      ],
      folders: [
        { path: '', mode: 0o700 },
        { path: 'base', mode: 0o700 },
        { path: 'pg_wal', mode: 0o700 },
      ],
      leftOut: ['gone (a link that leads nowhere)', 'base/pipe (a named pipe)'],
    });
  });

  test('goes on when something vanished meanwhile, and fails for all else', async () => {
    const failing = (stderr: string) => list(hostThatFinds(found, 4096, { exitCode: 1, stderr }));
    expect((await failing("find: './base/9': No such file or directory\n")).files).toHaveLength(4);
    await expect(failing("find: './base': Permission denied\n")).rejects.toThrow(
      /^cannot list \/data on db1: .*Permission denied/,
    );
    await expect(failing('find: unrecognized: -printf\n')).rejects.toThrow(/^find is not GNU find on db1$/);
  });

  test('leaves out links that go round in circles, and says so', async () => {
    const stderr = `find: File system loop detected; './base/up' is part of the same file system loop as '.'.
find: File system loop detected; './pg_tblspc/1' is part of the same file system loop as '.'.
find: './me': Too many levels of symbolic links
`;
    const { leftOut } = await list(hostThatFinds(found, 4096, { exitCode: 1, stderr }), ['/pg_tblspc/1']);
    expect(leftOut.slice(2)).toEqual(['base/up (a link to a folder that it lies in)', 'me (a link to itself)']);
  });

  const root = 'd 700 4096 8 1795000000.5 \0';
  test.each([
    ['a parent of the root', `${root}d 777 0 0 1795000000.0 ../../../../ESCAPED\0`],
    ['the parent itself', `${root}d 777 0 0 1795000000.0 ..\0`],
    ['a path that ends in its parent', `${root}d 777 0 0 1795000000.0 ../../\0`],
    ['a path that climbs within', `${root}d 700 0 0 1795000000.0 a\0f 600 0 0 1795000000.0 a/../../x\0`],
    ['an absolute path', `${root}f 600 0 0 1795000000.0 /etc/passwd\0`],
    ['the folder itself by a dot', `${root}d 777 0 0 1795000000.0 .\0`],
    ['an empty part', `${root}d 700 0 0 1795000000.0 a\0f 600 0 0 1795000000.0 a//b\0`],
    ['a file below a folder that was not told', `${root}f 600 0 0 1795000000.0 a/b\0`],
    ['a file below a file', `${root}f 600 0 0 1795000000.0 a\0f 600 0 0 1795000000.0 a/b\0`],
    ['a file below a link', `${root}l 777 0 0 1795000000.0 a\0f 600 0 0 1795000000.0 a/b\0`],
    ['a file before its root', `f 600 0 0 1795000000.0 a\0${root}`],
    ['a root that is no folder', 'f 600 0 0 1795000000.0 \0'],
    ['a file twice', `${root}f 600 1 0 1795000000.0 a\0f 600 2 0 1795000000.0 a\0`],
    ['a folder twice', `${root}d 700 0 0 1795000000.0 a\0d 777 0 0 1795000000.0 a\0`],
    ['a folder and a file of one name', `${root}d 700 0 0 1795000000.0 a\0f 600 0 0 1795000000.0 a\0`],
    ['a file and a folder of one name', `${root}f 600 0 0 1795000000.0 a\0d 700 0 0 1795000000.0 a\0`],
    ['a mode that is none', `${root}f 999 0 0 1795000000.0 a\0`],
    ['a size below nothing', `${root}f 600 -1 0 1795000000.0 a\0`],
    ['a size beyond all', `${root}f 600 99999999999999999999 0 1795000000.0 a\0`],
    ['a time that is none', `${root}f 600 0 0 now a\0`],
    ['words', `${root}hello\0`],
    ['nothing', `${root}\0`],
    ['an entry without end', root + 'x'.repeat(10_000)],
    ['an entry that is cut off', `${root}f 600 0 0 1795000000.0 a`],
  ])('is refused when it has %s', async (_, text) => {
    for (const pieceBytes of [1, 5000])
      await expect(list(hostThatFinds(Buffer.from(text), pieceBytes))).rejects.toThrow(
        /^cannot list \/data on db1: find reported /,
      );
  });

  test('names nothing but what lies below the root, whatever another host prints', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b', '/', '\udcff', ' ', '-x', 'a\nb');
    const path = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/'));
    const entry = fc
      .tuple(fc.constantFrom('d', 'f', 'l'), fc.constantFrom('700', '7777', '0', '9'), path)
      .map(([kind, mode, name]) => `${kind} ${mode} 1 8 1795000000.5 ${name}\0`);
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const told = await list(hostThatFinds(bytesOf(root + entries.join('')), 4096)).catch(() => undefined);
        if (told === undefined) return;
        const folders = new Set(told.folders.map((folder) => folder.path));
        for (const { path: name, mode } of [...told.files, ...told.folders].filter((one) => one.path !== '')) {
          expect(relative('/data', join('/data', name))).toBe(name);
          expect(name.split('/')).not.toContain('..');
          expect(folders).toContain(name.split('/').slice(0, -1).join('/'));
          expect(mode & 0o4000).toBe(0);
        }
      }),
    );
  });
});
