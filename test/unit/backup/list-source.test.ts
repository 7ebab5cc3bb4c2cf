import { describe, expect, test } from 'vitest';
import { listSource } from '../../../src/backup/list-source.ts';
import type { Host } from '../../../src/transport/host.ts';
import { localHost } from '../../../src/transport/local-host.ts';
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
    unreadable: listing.unreadable,
  };
}

const found = Buffer.concat([
  Buffer.from('d 700 4096 8 1795000000.5 \0d 700 4096 8 1795000000.0 base\0f 600 8192 16 1795000000.1234567890 base/1 ä\n2\0'),
  Buffer.from('f 640 1073741824 16 1795000001.0 base/holes\0f 600 1 8 1795000001.0 pg_wal/1\0f 600 1 8 1795000001.0 base/'),
  Buffer.from([0xe4, 0]),
]);

describe('a listing', () => {
  test.each([1, 7, 4096])('is read as it comes, in pieces of %i bytes', async (pieceBytes) => {
    expect(await list(hostThatFinds(found, pieceBytes), ['/pg_wal/*'])).toEqual({
      files: [
        { path: 'base/1 ä\n2', size: 8192, mode: 0o600, modifiedNs: 1_795_000_000_123_456_789n, isSparse: false },
        { path: 'base/holes', size: 1024 ** 3, mode: 0o640, modifiedNs: 1_795_000_001_000_000_000n, isSparse: true },
      ],
      folders: [
        { path: '', mode: 0o700 },
        { path: 'base', mode: 0o700 },
      ],
      unreadable: ['base/\ufffd'],
    });
  });

  test('goes on when something vanished meanwhile, and fails for all else', async () => {
    const failing = (stderr: string) => list(hostThatFinds(found, 4096, { exitCode: 1, stderr }));
    expect((await failing("find: './base/9': No such file or directory\n")).files).toHaveLength(3);
    await expect(failing("find: './base': Permission denied\n")).rejects.toThrow(
      /^cannot list \/data on db1: .*Permission denied/,
    );
    await expect(failing('find: unrecognized: -printf\n')).rejects.toThrow(/^find is not that of GNU on db1$/);
  });
});
