import { rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { archiveArrivals } from '../../../src/archive/archive-arrivals.ts';
import { describeStuckWal, findStuckWal } from '../../../src/check/stuck-wal.ts';
import { aSegment } from '../../helpers/wal-segment.ts';
import { type ArchiveServer, anArchiveServer } from '../archive/an-archive.ts';
import { walOf } from '../catalog/a-backup.ts';
import { aContext } from '../restore/restore-context.ts';

const [two, three] = [walOf('1:2'), walOf('1:3')];
const streaming = 'streaming_archiver = on';
const inAnHour = (): Date => new Date(Date.now() + 3_600_000);

async function archive({ server }: ArchiveServer): Promise<void> {
  await archiveArrivals({ server, channel: 'file', batchSize: 0, workers: 1 }, aContext()).catch(() => undefined);
}

async function hint({ server }: ArchiveServer, now = new Date()): Promise<string> {
  return describeStuckWal(await findStuckWal(server, now));
}

test('a segment that was cut off is told with its name, since when, and why; it is forgotten with the file', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: aSegment(2).subarray(0, 500_000) });
  expect(await hint(home)).toMatch(
    new RegExp(`^1 file cannot be archived: incoming/${two} since 2026-02-0\\d .*500000 of 1048576`),
  );
  await archive(home);
  expect(await hint(home)).toContain('and does not grow');
  await rm(join(home.layout.incoming, two));
  await archive(home);
  expect(await hint(home)).toBe('none');
});

test('a problem that only the archiver sees is reported when it has run', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: gzipSync(aSegment(2)).subarray(0, 4000), [`incoming/${three}`]: aSegment(3) });
  await archive(home);
  expect(await hint(home)).toMatch(/^1 file .*cannot be decompressed/);
});

test('a file that is whole waits for nobody as long as it came minutes ago', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: aSegment(2) });
  expect(await hint(home)).toBe('none');
  expect(await hint(home, inAnHour())).toContain('no program archives it');
});

test('of the folder of the receiver what it still writes is not stuck', async () => {
  await using home = await anArchiveServer(streaming);
  await home.write({ [`streaming/${two}`]: aSegment(2), [`streaming/${three}.partial`]: Buffer.alloc(0) });
  expect(await hint(home, inAnHour())).toContain(`streaming/${two}`);
  await rm(join(home.layout.streaming, two));
  expect(await hint(home, inAnHour())).toBe('none');
});

test('an inactive server has nothing that waits', async () => {
  await using home = await anArchiveServer('active = false');
  await home.write({ [`incoming/${two}`]: aSegment(2).subarray(0, 8192) });
  await utimes(join(home.layout.incoming, two), 1, 1);
  expect(await hint(home)).toBe('none');
});
