interface VerifybackupOptions {
  /** Path of `pg_verifybackup`. */
  readonly program: string;
  /** Where the manifest lies: `base/ID/data`. */
  readonly dataFolder: string;
  /** Needs version 18. */
  readonly isTar: boolean;
}

/** Command line for verifying a stored backup; its WAL is in the archive and not beside it (docs/reference/engine.md section 13). */
export function verifybackupArguments({ program, dataFolder, isTar }: VerifybackupOptions): string[] {
  return [program, '-n', ...(isTar ? ['--format=tar'] : []), dataFolder];
}
