interface MessageOptions {
  /** False keeps the line out of the log file (long lists of names). */
  readonly logged?: boolean;
}

/**
 * What a command tells its user while it works; `output` decides where it goes (console streams or the JSON arrays of
 * cli.md section 12). Telling an error makes the command end with exit code 1.
 */
export interface Messages {
  info(text: string, options?: MessageOptions): void;
  warning(text: string, options?: MessageOptions): void;
  error(text: string, options?: MessageOptions): void;
  /** A failure nobody expected: our bug. */
  exception(text: string): void;
  debug(text: string): void;
}
