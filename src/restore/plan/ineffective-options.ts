import type { RestoreRequest } from './restore-options.ts';

/** Options that say nothing beside others: each as a warning. */
export function ineffectiveOptions(request: RestoreRequest): readonly string[] {
  const { fetchesWal, takesPartialWal, restoreCommand, isImmediate, stagingWalDirectory } = request;
  const all: readonly (readonly [boolean, string])[] = [
    [restoreCommand !== undefined && !fetchesWal, '--restore-command has no effect without --get-wal'],
    [takesPartialWal && fetchesWal, '--partial-wal has no effect with --get-wal'],
    [takesPartialWal && isImmediate, '--partial-wal has no effect with --target-immediate'],
    [stagingWalDirectory !== undefined && fetchesWal, '--staging-wal-directory has no effect with --get-wal'],
  ];
  return all.filter(([isIgnored]) => isIgnored).map(([, message]) => message);
}
