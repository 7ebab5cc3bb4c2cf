/** What is coloured in the text of a report (cli.md section 1.4). */
export interface Colours {
  readonly ok: (text: string) => string;
  readonly failed: (text: string) => string;
  readonly warning: (text: string) => string;
}

/** For terminals. */
export const ansiColours: Colours = {
  ok: (text) => paint(32, text),
  failed: (text) => paint(31, text),
  warning: (text) => paint(33, text),
};

/** For files, pipes and JSON. */
export const noColours: Colours = { ok: (text) => text, failed: (text) => text, warning: (text) => text };

function paint(code: number, text: string): string {
  return `\u001B[${String(code)}m${text}\u001B[0m`;
}
