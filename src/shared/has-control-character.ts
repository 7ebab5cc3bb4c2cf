/** Whether a text holds a control character (Unicode's Cc). By hand: a class of Unicode in a pattern takes longer than a small file to read. */
export function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  }
  return false;
}
