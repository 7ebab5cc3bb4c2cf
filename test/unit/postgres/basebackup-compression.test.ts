import { describe, expect, test } from 'vitest';
import {
  type BackupCompression,
  backupCompressionOf,
  compressionArguments,
  compressionProblems,
  recordedCompression,
} from '../../../src/postgres/basebackup-compression.ts';

function compression(type: BackupCompression['type'], more: Partial<BackupCompression> = {}): BackupCompression {
  return { type, format: 'tar', level: undefined, location: undefined, workers: undefined, ...more };
}

const v14 = { client: 140_023, server: 140_023 };
const v15 = { client: 150_018, server: 150_018 };

describe('the arguments of pg_basebackup', () => {
  test.each([
    { title: '15 names the type', asked: compression('gzip'), client: 150_018, words: ['--format=tar', '--compress=gzip'] },
    {
      title: '17 takes place, level and workers',
      asked: compression('zstd', { location: 'server', level: -3, workers: 2 }),
      client: 170_002,
      words: ['--format=tar', '--compress=server-zstd:level=-3,workers=2'],
    },
    {
      title: '18 unpacks what the server compressed for the way',
      asked: compression('lz4', { location: 'server', format: 'plain' }),
      client: 180_000,
      words: ['--format=plain', '--compress=server-lz4'],
    },
    {
      title: '16 compresses on the client when told so',
      asked: compression('zstd', { location: 'client', workers: 0 }),
      client: 160_000,
      words: ['--format=tar', '--compress=client-zstd:workers=0'],
    },
    {
      title: '14 has a level of its own, and gzip',
      asked: compression('gzip', { level: 9 }),
      client: 140_000,
      words: ['--format=tar', '--compress=9', '--gzip'],
    },
    {
      title: '14 knows no level -1',
      asked: compression('gzip', { level: -1 }),
      client: 140_000,
      words: ['--format=tar', '--gzip'],
    },
    {
      title: '14 writes a plain tar at level 0',
      asked: compression('none'),
      client: 140_000,
      words: ['--format=tar', '--compress=0'],
    },
    {
      title: '15 writes a plain tar by name',
      asked: compression('none'),
      client: 150_000,
      words: ['--format=tar', '--compress=none'],
    },
    { title: 'nothing is said without compression', asked: undefined, client: 150_000, words: [] },
  ])('$title', ({ asked, client, words }) => {
    expect(compressionArguments(asked, client)).toEqual(words);
  });

  test('without backup_compression the other options mean nothing', () => {
    expect(backupCompressionOf({ backup_compression_level: 3, backup_compression_format: 'tar' })).toBeUndefined();
  });

  test('a record tells a plain tar from plain files', () => {
    expect(recordedCompression(undefined)).toBeNull();
    expect(recordedCompression(compression('none'))).toBe('none');
    expect(recordedCompression(compression('zstd', { format: 'plain', location: 'server' }))).toBeNull();
    expect(recordedCompression(compression('lz4'))).toBe('lz4');
  });
});

describe('impossible combinations', () => {
  test.each([
    { asked: compression('gzip', { format: 'plain' }), problem: /format = plain needs .*location = server/ },
    { asked: compression('gzip', { format: 'plain', location: 'client' }), problem: /format = plain needs/ },
    { asked: compression('gzip', { level: 10 }), problem: /gzip takes a level between 1 and 9/ },
    { asked: compression('gzip', { level: -2 }), problem: /gzip takes a level/ },
    { asked: compression('gzip', { workers: 2 }), problem: /only zstd has workers/ },
    { asked: compression('lz4', { level: 13 }), problem: /lz4 takes a level between 0 and 12/ },
    { asked: compression('lz4', { level: -1 }), problem: /lz4 takes a level/ },
    { asked: compression('lz4', { workers: 1 }), problem: /only zstd has workers/ },
    { asked: compression('zstd', { level: 23 }), problem: /zstd takes a level between -131072 and 22/ },
    { asked: compression('zstd', { level: -131_073 }), problem: /zstd takes a level/ },
    { asked: compression('zstd', { workers: -1 }), problem: /0 or more/ },
    { asked: compression('none', { level: 1 }), problem: /none takes a level of 0 only/ },
    { asked: compression('none', { workers: 1 }), problem: /only zstd has workers/ },
  ])('for no version: $asked.type, level $asked.level, workers $asked.workers, $asked.format', ({ asked, problem }) => {
    expect(compressionProblems(asked).map(({ text }) => text)).toEqual([expect.stringMatching(problem)]);
  });

  test.each([
    {
      title: 'server-side below server 15',
      asked: compression('gzip', { location: 'server' }),
      versions: { client: 150_000, server: 140_000 },
    },
    { title: 'lz4 below client 15', asked: compression('lz4'), versions: v14 },
    { title: 'zstd below client 15', asked: compression('zstd'), versions: v14 },
    { title: 'gzip at level 0 from client 15 on', asked: compression('gzip', { level: 0 }), versions: v15 },
  ])('$title, which only the versions show', ({ asked, versions }) => {
    expect(compressionProblems(asked)).toEqual([]);
    expect(compressionProblems(asked, versions)).toHaveLength(1);
  });

  test('server-side needs both sides', () => {
    expect(compressionProblems(compression('gzip', { location: 'server' }), v14)).toHaveLength(2);
  });

  test.each([
    compression('gzip', { level: -1 }),
    compression('gzip', { level: 9, location: 'client' }),
    compression('lz4', { level: 0 }),
    compression('zstd', { level: -131_072, workers: 0, location: 'server', format: 'plain' }),
    compression('none', { level: 0 }),
  ])('but 15 can do $type at level $level', (asked) => {
    expect(compressionProblems(asked, v15)).toEqual([]);
  });

  test('and 14 can do gzip at level 0', () => {
    expect(compressionProblems(compression('gzip', { level: 0 }), v14)).toEqual([]);
  });
});
