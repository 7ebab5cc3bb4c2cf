/**
 * Differences that a command line may show beside the real Barman: each stands in docs/differences-from-barman.md in these words, and
 * test/integration/command-lines.test.ts goes by this table.
 */
export const listedDifferences = {
  /** Exit code and standard output are the same, and so is the kind of each message. */
  errorText: 'its exit code, and that it is one, are not',
  /** All but the words of an error is the same. */
  errorTextInJson: 'A backup that is kept is named by its id when it cannot be deleted, not by all of its record',
  /** All but the values of options, which are stars, is the same. */
  hiddenValues: 'The message about a mistake in a `config-update` omits the values of its options',
  /** All but what the option adds is the same. */
  debugMessages: 'What `-d` adds is told in our own words',
  /** All but two braces is the same. */
  nagiosBraces: '`check --nagios -f json` prints the Nagios line alone',
  /** The exit code is the same; Barman has begun to tell what it does. */
  refusedBefore: 'A target that cannot be reached is refused before a byte is copied',
  /** All but the order of the lines of standard error is the same. */
  refusedFirst: 'unknown names and disabled servers are reported before the work on the others begins',
  /** What PostgreSQL was not asked is not known. */
  unknownSlot: 'With PostgreSQL down, `check` says of the slot that it is not known',
  notYet: 'Object storage, snapshots and passive nodes are not available yet',
} as const;

export type ListedDifference = keyof typeof listedDifferences;
