/** The log file of the program: for the person who looks afterwards, while `Messages` is for who sits in front. */
export interface Log {
  debug(text: string): void;
  info(text: string): void;
  warning(text: string): void;
  error(text: string): void;
  /** The same log under a longer logger name: `pgcellar` and `backup` give `pgcellar.backup`. */
  named(name: string): Log;
}

/** A log that keeps nothing, for callers that have none. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
  named: () => silentLog,
};
