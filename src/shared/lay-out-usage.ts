/** Columns of a terminal of unknown width, less two. */
const width = 78;

/** A usage line as Barman's parser lays it out: on one line where it fits, else options and positionals wrapped for themselves behind the name of the program. */
export function layOutUsage(program: string, options: readonly string[], positionals: readonly string[]): string {
  const head = `usage: ${program} `;
  const whole = `${head}${[...options, ...positionals].join(' ')}`;
  if (whole.length <= width) return whole;
  const lines = [...wrapped(options, width - head.length), ...wrapped(positionals, width - head.length)];
  return `${head}${lines.join(`\n${' '.repeat(head.length)}`)}`;
}

function wrapped(words: readonly string[], room: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
