import type { Worded } from './voice.ts';

interface MessageOptions extends Worded {
  /** False keeps the line out of the log file (long lists of names). */
  readonly logged?: boolean;
}

/** One line, whatever is in it; or several. */
export type Text = string | readonly string[];

/**
 * Messages of a command to its user while it works; `output` decides where they go (console streams or the JSON arrays of
 * docs/reference/cli.md section 12). Telling an error makes the command end with exit code 1.
 */
export interface Messages {
  info(text: Text, options?: MessageOptions): void;
  warning(text: Text, options?: MessageOptions): void;
  error(text: Text, options?: MessageOptions): void;
  /** A failure nobody expected: our bug. */
  exception(text: Text): void;
  debug(text: Text): void;
}

/** The same as one text. */
export function joined(text: Text): string {
  return linesOf(text).join('\n');
}

/** Line by line. */
export function linesOf(text: Text): readonly string[] {
  return typeof text === 'string' ? [text] : text;
}

/** Tells nothing: for work whose outcome is told by somebody else. */
export const silentMessages: Messages = { info: drop, warning: drop, error: drop, exception: drop, debug: drop };

function drop(): void {
  // failures go to the log, or to the caller
}
