/**
 * Characters that a terminal, a log or a monitoring system could take for something else than text: control characters (C0 but for the tab, DEL, C1), line and
 * paragraph separators, marks that turn the direction of writing, and bytes of a name that are no UTF-8.
 */
const unsafe = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/u;
const everyUnsafe = new RegExp(unsafe.source, 'gu');
const shortForms: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r` };

/** Text as one line that shows what is in it: nothing that came from outside can end it, or work on a terminal. Ordinary text stays as it is. */
export function shownLine(text: string): string {
  return unsafe.test(text) ? text.replaceAll(everyUnsafe, shown) : text;
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  if (code <= 0xff) return shortForms[character] ?? String.raw`\x${code.toString(16).padStart(2, '0')}`;
  if (code >= 0xdc80 && code <= 0xdcff) return String.raw`\x${(code - 0xdc00).toString(16)}`;
  return String.raw`\u${code.toString(16).padStart(4, '0')}`;
}
