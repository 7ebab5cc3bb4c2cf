import { expect, test } from 'vitest';
import { rsyncArguments } from '../../../../src/transport/rsync/rsync-arguments.ts';
import { hasCopied } from '../../../../src/transport/rsync/run-rsync.ts';

test('a job over ssh, with everything', () => {
  const argv = rsyncArguments({
    source: '/srv/my data',
    destination: '/backup/data/',
    remote: { side: 'source', sshCommand: 'ssh postgres@db1' },
    filters: { include: ['/PG_15_*'], exclude: ['/*'], protect: ['/pg_tblspc/16384'] },
    files: ['global/1'],
    compares: 'content',
    reuse: { kind: 'link', folder: '/backup/before' },
    symbolicLinks: 'follow',
    deletes: true,
    compresses: true,
    kilobytesPerSecond: 100,
  });
  expect(argv.join(' ')).toBe(
    'rsync -e ssh postgres@db1 -o BatchMode=yes -z --include=/PG_15_* --exclude=/* --exclude=/pg_tblspc/16384 ' +
      '--filter=P_/pg_tblspc/16384 -rLKpts --delete-excluded --inplace --sparse --link-dest=/backup/before --checksum ' +
      '--files-from=- --from0 --ignore-missing-args --bwlimit=100 --info=progress2 --outbuf=L :/srv/my data/ /backup/data/',
  );
});

test('a job on this host, with nothing', () => {
  const argv = rsyncArguments({ source: '/a', destination: '/b', symbolicLinks: 'keep' });
  expect(argv.join(' ')).toBe('rsync -rlpts --inplace --sparse --ignore-missing-args --info=progress2 --outbuf=L /a/ /b/');
});

test('files without holes are written as they come', () => {
  expect(rsyncArguments({ source: '/a', destination: '/b', symbolicLinks: 'keep', keepsHoles: false })).not.toContain(
    '--sparse',
  );
});

const summary =
  'rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1865) [generator=3.2.7]';

test('a job that must not write into files that are linked elsewhere', () => {
  const argv = rsyncArguments({ source: '/a', destination: '/b', symbolicLinks: 'keep', writesInPlace: false });
  expect(argv).not.toContain('--inplace');
});

test.each([
  { exitCode: 0, stderr: '', copied: true },
  { exitCode: 24, stderr: 'file has vanished: "/a"', copied: true },
  {
    exitCode: 23,
    stderr: `file has vanished: "/a"\nrsync: [sender] link_stat "/b" failed: No such file or directory (2)\n${summary}`,
    copied: true,
  },
  { exitCode: 23, stderr: `rsync: [sender] send_files failed to open "/a": Permission denied (13)\n${summary}`, copied: false },
  { exitCode: 23, stderr: summary, copied: false },
  { exitCode: 11, stderr: 'rsync: write failed: No space left on device (28)', copied: false },
  { exitCode: undefined, stderr: '', copied: false },
])('exit code $exitCode: copied is $copied ($stderr)', ({ exitCode, stderr, copied }) => {
  expect(hasCopied({ exitCode, stderr })).toBe(copied);
});
