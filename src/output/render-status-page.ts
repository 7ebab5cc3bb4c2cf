import type { CheckReport, ServerStatus } from '../operations/reports/server-reports.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { wordOf } from './python-words.ts';
import { hintText } from './render-check.ts';
import { endText } from './render-server-status.ts';

interface Page {
  /** Beginning of a command line of ours. */
  readonly program: readonly string[];
  /** Width of the terminal; lines are not folded where there is none. */
  readonly columns: number | undefined;
}

/** `status --page`: the four questions of whoever looks after a server. */
export function renderStatusPage(
  { name, catalog, continuity }: ServerStatus,
  { results, problems }: CheckReport,
  { program, columns }: Page,
): readonly string[] {
  const { doneCount: count, lastBackup } = catalog;
  const end = continuity.kind === 'known' ? endText(continuity.whole, continuity.transactions) : undefined;
  const failed = results.filter(({ isOk }) => !isOk);
  const wrong = failed.flatMap((result) => [
    `${result.name}${hintText(result.hint)}`,
    ...(result.name === 'configuration' ? problems.map((problem) => `- ${problem}`) : []),
  ]);
  const answer = (question: string, lines: readonly string[]) => answerLines(question, lines, columns);
  const next = count === 0 && failed.length === 0 ? ['backup', name] : failed.length > 0 ? ['doctor', name] : undefined;
  return [
    name,
    ...answer('Can I restore?', [
      count === 0 ? 'no: there is no backup' : `yes: ${String(count)} of them, the newest is ${wordOf(lastBackup)}`,
    ]),
    ...(count === 0 ? [] : answer('To when?', [end ?? 'to the end of the newest backup'])),
    ...answer('What is wrong?', wrong.length === 0 ? ['nothing'] : wrong),
    ...answerLines('What to do?', [next === undefined ? 'nothing' : quoteWords([...program, ...next])]), // to be copied
  ];
}

const indent = 18;

function answerLines(question: string, lines: readonly string[], columns = Number.POSITIVE_INFINITY): readonly string[] {
  const folded = lines.flatMap((line) => fold(line, Math.max(columns - indent, 30)));
  return folded.map((line, index) => `  ${(index === 0 ? question : '').padEnd(indent - 2)}${line}`);
}

/** The lines of a text between blanks; what continues stands two further to the right, and a long word is left whole. */
function fold(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`  ${word}`);
  }
  return lines;
}
