import { declareCommand } from '../command.ts';
import { parseGlobalOptions } from '../parse-global-options.ts';

export const completeCommand = declareCommand({
  name: 'complete',
  summary: 'Print the completions of the last word, for the completion scripts',
  servers: 'none',
  arguments: [{ name: 'words', summary: 'the words after the program, the last one possibly incomplete', isRepeatable: true }],
  examples: ['complete -- check ma'],
  async runEarly({ positionals, programName, commands, places, print }) {
    const { completeWords } = await import('../completion/complete-words.ts');
    const { liveNames } = await import('../completion/live-names.ts');
    const words = positionals.filter((word) => word !== '='); // bash takes --option=value apart
    const live = liveNames({ ...places, explicitPath: configIn(words, programName) ?? places.explicitPath });
    const candidates = await completeWords(words, live, commands);
    print(candidates.map(({ word, summary }) => `${word}\t${summary}\n`).join(''));
  },
});

/** The file of `-c` among the words, as far as they can be read. */
function configIn(words: readonly string[], programName: string): string | undefined {
  try {
    return parseGlobalOptions(words.slice(0, -1), programName).configPath;
  } catch {
    return undefined; // half a command line is no mistake
  }
}
