import { OperatorError } from './operator-error.ts';

const plainWord = /^[A-Za-z0-9@%+=:,./_-]+$/;

/** One word for a POSIX shell: unchanged when nothing in it is special, else in single quotes. */
export function quoteWord(word: string): string {
  if (plainWord.test(word)) return word;
  return `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** A command line for a POSIX shell. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/**
 * Splits text as a POSIX shell splits words: blanks, single and double quotes, backslash; no expansion, no globbing.
 * @throws OperatorError `configuration-invalid` when a quote stays open or the text ends in a backslash
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let position = 0; position < text.length; position++) {
    const character = text.charAt(position);
    if (quote === "'") {
      if (character === "'") quote = undefined;
      else word = `${word ?? ''}${character}`;
    } else if (character === '\\') {
      const next = text.charAt(++position);
      if (next === '') throw new OperatorError('configuration-invalid', `nothing follows the last backslash in: ${text}`);
      const keepsBackslash = quote === '"' && next !== '"' && next !== '\\';
      word = `${word ?? ''}${keepsBackslash ? '\\' : ''}${next}`;
    } else if (character === quote) {
      quote = undefined;
    } else if (quote === undefined && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = `${word ?? ''}${character}`;
    }
  }
  if (quote !== undefined) throw new OperatorError('configuration-invalid', `a ${quote} is not closed in: ${text}`);
  if (word !== undefined) words.push(word);
  return words;
}
