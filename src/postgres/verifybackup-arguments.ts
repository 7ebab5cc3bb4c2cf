interface VerifybackupOptions {
  /** Path of `pg_verifybackup`. */
  readonly program: string;
  /** Where the manifest lies: `base/ID/data`. */
  readonly dataFolder: string;
  /** Needs version 18. */
  readonly isTar: boolean;
  /** Leaves out the control file, which only a `pg_verifybackup` of the server's own release reads. */
  readonly withoutControlFile: boolean;
}

/** Command line for verifying a stored backup; its WAL is in the archive and not beside it (docs/reference/engine.md section 13). */
export function verifybackupArguments({ program, dataFolder, isTar, withoutControlFile }: VerifybackupOptions): string[] {
  const words = [...(isTar ? ['--format=tar'] : []), ...(withoutControlFile ? ['--ignore=global/pg_control'] : [])];
  return [program, '-n', ...words, dataFolder];
}
