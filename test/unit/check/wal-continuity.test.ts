import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WalHole } from '../../../src/catalog/wal/judge-continuity.ts';
import type { CheckResult } from '../../../src/check/check.ts';
import { describeHole } from '../../../src/check/describe-hole.ts';
import { runChecks } from '../../../src/check/run-checks.ts';
import type { Server } from '../../../src/config/server.ts';
import { idOf, segmentOf } from '../catalog/a-backup.ts';
import { backupOf, indexWals, lonelyServer, storeBackups, toolsWith } from './check-setup.ts';

const inactive = 'active = off\nbackup_method = postgres\nconninfo = host=/nonexistent';
const wals = (...shorts: readonly string[]) => shorts.map((short) => `${segmentOf(short)} 16777216 1770000000.0 None`);

async function continuityLine(server: Server): Promise<CheckResult | undefined> {
  const { results } = await runChecks({ server, tools: toolsWith() });
  return results.find(({ name }) => name === 'WAL continuity');
}

async function storeTwoBackups(server: Server): Promise<void> {
  await storeBackups(server, [
    backupOf('20260101T000000', { beginWal: segmentOf('1:2'), endWal: segmentOf('1:3') }),
    backupOf('20260102T000000', { beginWal: segmentOf('1:5'), endWal: segmentOf('1:5') }),
  ]);
}

test('there is no line for an archive without hole', async () => {
  await using home = await lonelyServer(inactive);
  await storeTwoBackups(home.server);
  await indexWals(home.server, ...wals('1:0', '1:2', '1:3', '1:4', '1:5', '1:6'));
  expect(await continuityLine(home.server)).toBeUndefined();
});

test('a hole is named with its segments and the backups before it, until it is closed', async () => {
  await using home = await lonelyServer(inactive);
  await storeTwoBackups(home.server);
  await indexWals(home.server, ...wals('1:2', '1:3', '1:4', '1:5', '1:6', '1:A'));
  expect(await continuityLine(home.server)).toMatchObject({
    isOk: false,
    isCritical: false,
    hint: `WAL ${segmentOf('1:7')}..${segmentOf('1:9')} missing (3 segments): backups 20260101T000000, 20260102T000000 cannot be restored past it`,
  });
  await indexWals(home.server, ...wals('1:9', '1:7', '1:8'));
  expect(await continuityLine(home.server)).toBeUndefined();
});

test('many holes are told shortly', async () => {
  await using home = await lonelyServer(inactive);
  await storeTwoBackups(home.server);
  await indexWals(home.server, ...wals('1:3', '1:5', '1:7', '1:9', '1:B', '1:D', '1:F', '1:11'));
  const hint = (await continuityLine(home.server))?.hint ?? '';
  expect(hint.split('; ')).toHaveLength(6);
  expect(hint.split('; ')[0]).toBe(
    `WAL ${segmentOf('1:2')} missing (1 segment): backup 20260101T000000 cannot be restored at all`,
  );
  expect(hint).toMatch(/; and 3 more$/);
});

test('a segment that waits to be archived is not a hole', async () => {
  await using home = await lonelyServer(inactive);
  await storeTwoBackups(home.server);
  await indexWals(home.server, ...wals('1:2', '1:3', '1:5'));
  const waiting = join(home.server.layout.incoming, segmentOf('1:4'));
  await mkdir(home.server.layout.incoming, { recursive: true });
  await writeFile(waiting, 'x');
  expect(await continuityLine(home.server)).toBeUndefined();
  await rm(waiting);
  expect(await continuityLine(home.server)).toMatchObject({ isOk: false });
});

test('an index that cannot be read is left to the line `wal size`', async () => {
  await using home = await lonelyServer(inactive);
  await storeTwoBackups(home.server);
  await mkdir(home.server.layout.wals, { recursive: true });
  await writeFile(join(home.server.layout.wals, 'main-xlog.db'), 'nonsense\n');
  const { results } = await runChecks({ server: home.server, tools: toolsWith() });
  expect(results.find(({ name }) => name === 'wal size')).toMatchObject({ isOk: false });
  expect(results.find(({ name }) => name === 'WAL continuity')).toBeUndefined();
});

test.each<{ title: string; cutOff: readonly number[]; unusable: readonly number[]; text: string }>([
  {
    title: 'both kinds of loss',
    cutOff: [2],
    unusable: [3, 4],
    text: 'backup 20260102T120000 cannot be restored past it, backups 20260103T120000, 20260104T120000 cannot be restored at all',
  },
  {
    title: 'more backups than fit into a line',
    cutOff: [1, 2, 3, 4, 5, 6, 7],
    unusable: [],
    text: `backups ${[1, 2, 3, 4, 5].map((day) => idOf(day)).join(', ')} and 2 more cannot be restored past it`,
  },
])('$title', ({ cutOff, unusable, text }) => {
  const segments = { first: segmentOf('1:7'), last: segmentOf('1:8'), count: 2 };
  const hole: WalHole = { ...segments, cutOff: cutOff.map(idOf), unusable: unusable.map(idOf) };
  expect(describeHole(hole)).toBe(`WAL ${hole.first}..${hole.last} missing (2 segments): ${text}`);
});
