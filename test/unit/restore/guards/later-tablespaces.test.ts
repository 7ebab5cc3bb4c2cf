import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judgeLaterTablespaces } from '../../../../src/restore/guards/later-tablespaces.ts';
import type { RecoveryTarget } from '../../../../src/restore/target/recovery-target.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { aBackup, instant, lsn } from '../restore-builders.ts';
import { aRestoreHost } from '../restore-context.ts';

test.each<{ target: RecoveryTarget; isRefused: boolean }>([
  { target: { kind: 'none' }, isRefused: true },
  { target: { kind: 'time', time: instant('2026-01-03 13:00:00+00') }, isRefused: true },
  { target: { kind: 'time', time: instant('2026-01-02 13:00:00+00') }, isRefused: false },
  { target: { kind: 'lsn', lsn: lsn('0/2000080') }, isRefused: true },
  { target: { kind: 'immediate' }, isRefused: false },
])(
  'a later tablespace whose folder is in use stands against the target $target.kind: $isRefused',
  async ({ target, isRefused }) => {
    await using folder = await createTemporaryFolder('lt');
    const pgdata = join(folder.path, 'original');
    const [named, unnamed] = [join(folder.path, 'named'), join(folder.path, 'unnamed')];
    for (const path of [named, unnamed]) await mkdir(join(path, 'PG_15_202209061'), { recursive: true });
    await mkdir(join(pgdata, 'global'), { recursive: true });
    await mkdir(join(pgdata, 'pg_tblspc'));
    const control = Buffer.alloc(64);
    control.writeBigUInt64LE(7_000_000_000_000_000_001n);
    await writeFile(join(pgdata, 'global/pg_control'), control);
    await symlink(unnamed, join(pgdata, 'pg_tblspc/16500'));
    const same = { systemid: '7000000000000000001', pgdata };
    const backup = aBackup({ ...same, beginTime: instant('2026-01-02 14:00:00+00') });
    const tablespaces = [{ oid: 16_400, name: 'late', location: named }];
    const next = aBackup({ day: 3, at: '1:4', ...same, beginTime: instant('2026-01-03 12:00:00+00'), tablespaces });
    const refused: string[] = [];
    const question = {
      backup,
      backups: [backup, next],
      target,
      restoreHost: aRestoreHost(),
      destination: join(folder.path, 'copy'),
    };
    await judgeLaterTablespaces(question, ({ message }) => void refused.push(message));
    expect(refused.some((message) => message.startsWith(`tablespace late was created after the backup, at ${named}`))).toBe(
      isRefused,
    );
    if (target.kind === 'none') expect(refused[1]).toMatch(/^a tablespace with oid 16500 was created after the backup/);
  },
);
