/**
 * Text of a file as it may be repeated in a message: its first line, and nothing after a word that announces a secret, because a
 * broken line can be a piece of a connection string.
 */
export function withoutSecret(text: string): string {
  const [first = '', ...more] = text.split('\n');
  const shown = first.replace(/(passw(?:or)?d|passphrase|secret|:\/\/[^:@\s]*:).*$/i, '$1…');
  return more.length === 0 || shown.endsWith('…') ? shown : `${shown}…`;
}
