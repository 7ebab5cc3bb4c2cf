const pair = /\s*[A-Za-z_]\w*\s*=\s*(?:'(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)(?=\s|$)/sy;

/**
 * Whether libpq could read a connection string: blank separated `key=value` pairs, values in single quotes where they hold blanks,
 * or a `postgresql://` URI. Says nothing about the keys.
 */
export function isConninfo(text: string): boolean {
  const trimmed = text.trim();
  if (/^postgres(?:ql)?:\/\//.test(trimmed)) return !/\s/.test(trimmed);
  return trimmed !== '' && isPairs(trimmed);
}

function isPairs(text: string): boolean {
  let position = 0;
  while (position < text.length) {
    pair.lastIndex = position;
    if (!pair.test(text)) return false;
    position = pair.lastIndex;
  }
  return true;
}
