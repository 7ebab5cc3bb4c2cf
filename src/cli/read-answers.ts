import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Questions to whoever sits at the other end of standard input. */
export interface Answers extends AsyncDisposable {
  /** Shows the question and reads a line: `y` or `yes`, `q` or `quit`; anything else is no, and so is the end of the input. */
  ask(question: string): Promise<'yes' | 'no' | 'quit'>;
}

/** Reads answers line by line, also from a pipe. */
export function readAnswers(input: Readable, output: NodeJS.WritableStream): Answers {
  const lines = createInterface({ input });
  const given = lines[Symbol.asyncIterator]();
  return {
    async ask(question) {
      output.write(`  ${question}`);
      const next: IteratorResult<string, undefined> = await given.next();
      if (next.done === true) {
        output.write('\n');
        return 'no';
      }
      const word = next.value.trim().toLowerCase();
      if (word === 'q' || word === 'quit') return 'quit';
      return word === 'y' || word === 'yes' ? 'yes' : 'no';
    },
    [Symbol.asyncDispose]: async () => {
      lines.close();
      input.destroy();
      await Promise.resolve();
    },
  };
}
