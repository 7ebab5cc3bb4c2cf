import { expect, test } from 'vitest';
import { includesOthers, reviewConfiguration } from '../../../../src/restore/recovery/review-configuration.ts';

test.each<{ fact: string; before: string; after: string; changes: string[] }>([
  {
    fact: 'archive_command is turned off, the line before kept as a comment',
    before: "port = 5432\narchive_command = 'cp %p /x/%f' # why\n",
    after: "port = 5432\n#BARMAN#archive_command = 'cp %p /x/%f' # why\narchive_command = false\n",
    changes: ['1 archive_command = false'],
  },
  {
    fact: 'names are read in any case, with or without an equals sign',
    before: "  ARCHIVE_COMMAND 'foo'",
    after: "#BARMAN#  ARCHIVE_COMMAND 'foo'\narchive_command = false",
    changes: ['0 archive_command = false'],
  },
  {
    fact: 'a library that archives is turned off',
    before: "archive_library = 'basic_archive'",
    after: "#BARMAN#archive_library = 'basic_archive'\narchive_library = ''",
    changes: ["0 archive_library = ''"],
  },
  { fact: 'no library stays', before: "archive_library = ''  # none", after: "archive_library = ''  # none", changes: [] },
  {
    fact: 'an earlier recovery is taken out',
    before: "recovery_target_time = 'x'\nrecovery_target_action=pause\nrestore_command = 'x'",
    after: "#BARMAN#recovery_target_time = 'x'\n#BARMAN#recovery_target_action=pause\nrestore_command = 'x'",
    changes: ['0 recovery_target_time = None', '1 recovery_target_action = None'],
  },
  {
    fact: 'comments, other names and foreign line ends stay',
    before: "#archive_command = 'x'\narchive_command_x = 1\r\nmy.archive_command = 2",
    after: "#archive_command = 'x'\narchive_command_x = 1\r\nmy.archive_command = 2",
    changes: [],
  },
])('$fact', ({ before, after, changes }) => {
  const review = reviewConfiguration(before);
  expect(review.text).toBe(after);
  expect(review.changes.map(({ line, key, value }) => `${String(line)} ${key} = ${value ?? 'None'}`)).toEqual(changes);
});

test('a setting that leads out of the data folder is reported by its line in the new file', () => {
  const { warnings } = reviewConfiguration(
    "archive_command = 'x'\nhba_file = '/etc/x'   # c\nident_file=/etc/y\nssl_key_file 'a b'\n",
  );
  expect(warnings).toEqual([
    { line: 2, key: 'hba_file', value: "'/etc/x'   # c" },
    { line: 3, key: 'ident_file', value: '/etc/y' },
    { line: 4, key: 'ssl_key_file', value: "'a b'" },
  ]);
});

test('a file that takes in others is known', () => {
  expect(includesOthers(reviewConfiguration("include_dir 'conf.d'"))).toBe(true);
  expect(includesOthers(reviewConfiguration("#include_dir 'conf.d'"))).toBe(false);
});
