import { expect, test } from 'vitest';
import { type RecoveryWish, recoverySettings } from '../../../../src/restore/recovery/recovery-settings.ts';
import { instant, lsn } from '../restore-builders.ts';

type RequestPart = Partial<RecoveryWish['request']>;

function settingsOf({ request, ...wish }: Omit<Partial<RecoveryWish>, 'request'> & { request?: RequestPart }) {
  return recoverySettings({
    version: 150_018,
    serverName: 'main',
    target: { kind: 'none' },
    isPitr: true,
    timelineSetting: undefined,
    wal: { kind: 'staged', folder: '/r/barman_wal' },
    backupHost: 'backup.example.org',
    request: { isExclusive: false, standbyMode: false, jobs: 1, programWords: ['barman'], programUser: 'barman', ...request },
    ...wish,
  });
}

const copied = ["restore_command = 'cp /r/barman_wal/%f %p'", "recovery_end_command = 'rm -fr /r/barman_wal'"];

test.each<{ fact: string; wish: Parameters<typeof settingsOf>[0]; lines: string[] }>([
  {
    fact: 'time, before it, then shutdown',
    wish: {
      target: { kind: 'time', time: instant('2026-01-01 12:20:00.5+01:00') },
      timelineSetting: 'current',
      request: { isExclusive: true, action: 'shutdown' },
    },
    lines: [
      ...copied,
      "recovery_target_time = '2026-01-01 12:20:00.500000+01:00'",
      "recovery_target_inclusive = 'False'",
      'recovery_target_timeline = current',
      "recovery_target_action = 'shutdown'",
    ],
  },
  {
    fact: 'transaction',
    wish: { target: { kind: 'xid', xid: '123' }, timelineSetting: 1 },
    lines: [...copied, "recovery_target_xid = '123'", 'recovery_target_timeline = 1'],
  },
  {
    fact: 'LSN',
    wish: { target: { kind: 'lsn', lsn: lsn('0/3000000') } },
    lines: [...copied, "recovery_target_lsn = '0/3000000'"],
  },
  {
    fact: 'name that quotes and escapes',
    wish: { target: { kind: 'name', name: "it's a\\b" } },
    lines: [...copied, "recovery_target_name = 'it''s a\\\\b'"],
  },
  {
    fact: 'immediate, where --exclusive means nothing',
    wish: { target: { kind: 'immediate' }, request: { isExclusive: true } },
    lines: [...copied, "recovery_target = 'immediate'"],
  },
  {
    fact: 'folder that the shell, PostgreSQL and its configuration would take apart',
    wish: { target: { kind: 'immediate' }, wal: { kind: 'staged', folder: "/r/it's 100%" } },
    lines: [
      `restore_command = 'cp ''/r/it''"''"''s 100%%''/%f %p'`,
      `recovery_end_command = 'rm -fr ''/r/it''"''"''s 100%%'''`,
      "recovery_target = 'immediate'",
    ],
  },
  {
    fact: 'get-wal, as Barman writes it',
    wish: { isPitr: false, wal: { kind: 'fetched' } },
    lines: ["# The 'barman get-wal' command must run as 'barman' user", "restore_command = 'barman get-wal -P main %f > %p'"],
  },
  {
    fact: 'get-wal with a configuration of its own',
    wish: {
      isPitr: false,
      wal: { kind: 'fetched' },
      request: { programWords: ['pgcellar', '-c', '/etc/my conf'], programUser: 'me' },
    },
    lines: [
      "# The 'pgcellar -c '/etc/my conf' get-wal' command must run as 'me' user",
      "restore_command = 'pgcellar -c ''/etc/my conf'' get-wal --strict -P main %f > %p'",
    ],
  },
  {
    fact: 'get-wal of a standby, which streams what is not complete',
    wish: { isPitr: false, wal: { kind: 'fetched' }, request: { standbyMode: true } },
    lines: ["# The 'barman get-wal' command must run as 'barman' user", "restore_command = 'barman get-wal  main %f > %p'"],
  },
  {
    fact: 'get-wal with a command of the operator',
    wish: { isPitr: false, wal: { kind: 'fetched' }, request: { restoreCommand: "fetch '%f' %p" } },
    lines: ["restore_command = 'fetch ''%f'' %p'"],
  },
  {
    fact: 'standby to a target finds the WAL that was copied for it',
    wish: { target: { kind: 'immediate' }, request: { standbyMode: true } },
    lines: [...copied, "recovery_target = 'immediate'"],
  },
])('lines of: $fact', ({ wish, lines }) => {
  expect(settingsOf(wish)?.lines).toEqual(lines);
});

test.each<{ fact: string; wish: Parameters<typeof settingsOf>[0]; expected: unknown }>([
  {
    fact: 'go to the end of postgresql.auto.conf',
    wish: {},
    expected: { fileName: 'postgresql.auto.conf', isAppended: true, signalName: 'recovery.signal' },
  },
  {
    fact: 'can go elsewhere',
    wish: { request: { recoveryConfFilename: 'my.conf' } },
    expected: { fileName: 'my.conf', isAppended: true },
  },
  {
    fact: 'of a standby have their own signal',
    wish: { isPitr: false, wal: { kind: 'in-place', folder: '/r/pg_wal' }, request: { standbyMode: true } },
    expected: { lines: [], signalName: 'standby.signal' },
  },
  {
    fact: 'have a file of their own before PostgreSQL 12, where current is no timeline',
    wish: { version: 110_022, target: { kind: 'immediate' }, timelineSetting: 'current', request: { standbyMode: true } },
    expected: {
      fileName: 'recovery.conf',
      isAppended: false,
      signalName: undefined,
      lines: [...copied, "recovery_target = 'immediate'", "standby_mode = 'on'"],
    },
  },
])('settings $fact', ({ wish, expected }) => {
  expect(settingsOf(wish)).toMatchObject(expected as object);
});

test('a plain restore needs none', () => {
  expect(settingsOf({ isPitr: false, wal: { kind: 'in-place', folder: '/r/pg_wal' } })).toBeUndefined();
});

test.each([
  ['asks through ssh', {}, '-P -U barman backup.example.org main %f %p'],
  [
    'by another port, several together',
    { recoveryOptionPort: 2222, jobs: 3 },
    '-P -U barman --port 2222 backup.example.org main %f %p -p 3',
  ],
  ['without what is not complete for a standby', { standbyMode: true }, '-U barman backup.example.org main %f %p'],
])('a server on another host %s, letter for letter as Barman has it', (_, more, words) => {
  const settings = settingsOf({ isPitr: false, wal: { kind: 'fetched' }, request: { remoteSshCommand: 'ssh host', ...more } });
  expect(settings?.lines).toEqual([
    "# The 'barman-wal-restore' command is provided in the 'barman-cli' package",
    `restore_command = 'barman-wal-restore ${words}'`,
  ]);
});

test('a server on another host asks with our helper and our configuration when we did the restore under our own name', () => {
  const programWords = ['/usr/bin/pgcellar', '-c', '/etc/pgcellar.conf'];
  const settings = settingsOf({
    isPitr: false,
    wal: { kind: 'fetched' },
    request: { remoteSshCommand: 'ssh host', programWords },
  });
  expect(settings?.lines[1]).toBe(
    "restore_command = 'pgcellar-wal-restore -P --strict -c /etc/pgcellar.conf -U barman backup.example.org main %f %p'",
  );
});

test.each([
  [
    'get-wal',
    {},
    'case %f in 00000002.history) barman get-wal  main 00000004.history > /dev/null || exit 1;; esac; barman get-wal  main %f > %p',
  ],
  [
    'the helper',
    { remoteSshCommand: 'ssh host' },
    'case %f in 00000002.history) { barman-wal-restore -U barman backup.example.org main 00000004.history %p.newer && rm -f %p.newer; } || exit 1;; esac; barman-wal-restore -U barman backup.example.org main %f %p',
  ],
])('a standby gets a history that is not of its line only when there is a newer one, by %s', (_, more, command) => {
  const wish = { isPitr: false, wal: { kind: 'fetched' as const }, hiddenTimelines: [2, 3] };
  const settings = settingsOf({ ...wish, request: { standbyMode: true, ...more } });
  expect(settings?.lines[1]).toBe(`restore_command = '${command}'`);
});

test('unused settings are written at their defaults, before the used ones; a standby keeps whom it follows', () => {
  const wish = { target: { kind: 'name', name: 'x' } as const };
  expect(settingsOf(wish)?.neutralised).toEqual([
    "archive_cleanup_command = ''",
    "recovery_target = ''",
    "recovery_target_time = ''",
    "recovery_target_xid = ''",
    "recovery_target_lsn = ''",
    'recovery_target_inclusive = on',
    'recovery_target_timeline = latest',
    'recovery_target_action = pause',
    "promote_trigger_file = ''",
    'recovery_min_apply_delay = 0',
    "primary_conninfo = ''",
    "primary_slot_name = ''",
  ]);
  const standby = settingsOf({ ...wish, version: 180_000, request: { standbyMode: true } })?.neutralised.join();
  expect(standby).not.toMatch(/promote_trigger_file|primary_|delay/);
  expect(settingsOf({ ...wish, version: 110_022 })?.neutralised).toEqual([]);
});

test('a target that a file spells in another way is written so, too: PostgreSQL takes both', () => {
  const includedTargets = ['Recovery_Target_Name', 'recovery_target_time', 'RECOVERY_TARGET_XID'];
  const settings = settingsOf({ target: { kind: 'name', name: 'x' }, includedTargets });
  expect(settings?.neutralised.slice(-2)).toEqual(["Recovery_Target_Name = ''", "RECOVERY_TARGET_XID = ''"]);
  expect(settings?.neutralised.filter((line) => line.startsWith('recovery_target_time ='))).toHaveLength(1);
  expect(settings?.lines).toContain("recovery_target_name = 'x'");
});
