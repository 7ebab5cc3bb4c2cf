import type { CheckReport, ServerStatus } from '../operations/reports/server-reports.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { hintText } from './render-check.ts';

/** `status --page`: the four questions of whoever looks after a server. */
export function renderStatusPage(
  { name, items, own }: ServerStatus,
  { results }: CheckReport,
  program: readonly string[],
): readonly string[] {
  const said = (key: string): string | undefined => [...items, ...own].find((item) => item.key === key)?.message;
  const count = Number(said('backups_number') ?? '0');
  const failed = results.filter(({ isOk }) => !isOk);
  const wrong = failed.map((result) => `${result.name}${hintText(result.hint)}`);
  const next = count === 0 && failed.length === 0 ? ['backup', name] : failed.length > 0 ? ['doctor', name] : undefined;
  return [
    name,
    ...answer('Can I restore?', [
      count === 0 ? 'no: there is no backup' : `yes: ${String(count)} of them, the newest is ${said('last_backup') ?? '-'}`,
    ]),
    ...(count === 0 ? [] : answer('To when?', [said('recoverable_to') ?? 'to the end of the newest backup'])),
    ...answer('What is wrong?', wrong.length === 0 ? ['nothing'] : wrong),
    ...answer('What to do?', [next === undefined ? 'nothing' : quoteWords([...program, ...next])]),
  ];
}

function answer(question: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => `  ${(index === 0 ? question : '').padEnd(16)}${line}`);
}
