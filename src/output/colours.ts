import { shownLine } from '../shared/shown-text.ts';

/** The colours in the text of a report (docs/reference/cli.md section 1.4). */
export interface Colours {
  readonly ok: (text: string) => string;
  readonly failed: (text: string) => string;
  readonly warning: (text: string) => string;
}

/** For files, pipes and JSON. */
export const noColours: Colours = { ok: (text) => text, failed: (text) => text, warning: (text) => text };

const start = '\u0001';
const end = '\u0002';

/**
 * Colours of one writer, as marks in a text that nobody else can write: they hold a secret of the writer, which puts the sequences of a
 * terminal in their place.
 */
export function markedColours(secret: string): Colours {
  const paint = (code: number, text: string): string =>
    `${start}${secret} ${String(code)}${end}${text}${start}${secret} 0${end}`;
  return { ok: (text) => paint(32, text), failed: (text) => paint(31, text), warning: (text) => paint(33, text) };
}

/** A line for a terminal: colours of that writer as its sequences, anything else of the kind shown as text. */
export function colouredLine(line: string, secret: string): string {
  const pieces = line.split(new RegExp(`${start}${secret} (\\d+)${end}`));
  return pieces.map((piece, index) => (index % 2 === 0 ? shownLine(piece) : `\u001B[${piece}m`)).join('');
}
