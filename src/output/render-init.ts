import type { RemedyStep } from '../check/remedy.ts';
import type { InitReport } from '../operations/server/init-server.ts';
import type { Colours } from './colours.ts';
import { renderCheck } from './render-check.ts';
import { stepText } from './render-remedy.ts';
import type { Report } from './report.ts';

const headings = [
  ['sql', 'As a superuser of the PostgreSQL server, in psql:'],
  ['hba', 'At the top of its pg_hba.conf, and then  SELECT pg_reload_conf();'],
  ['host', 'On its host:'],
] as const;

/** `init`: what the PostgreSQL side lacks, ready to be pasted, then the check's result with what mends the rest. */
export function renderInit(
  { check, path, onServer }: InitReport,
  colours: Pick<Colours, 'ok' | 'failed'>,
  program: readonly string[],
): Report {
  const blocks = headings.flatMap(([kind, heading]) =>
    blockOf(
      heading,
      onServer.filter((step) => step.kind === kind),
    ),
  );
  const rendered = renderCheck(check, { voice: 'own', colours, program });
  const ok = check.results.every(({ isOk }) => isOk);
  const next = ok ? `backup ${check.name}` : `doctor ${check.name}`;
  return {
    lines: [...blocks, ...rendered.lines, `Next: ${[...program, next].join(' ')}`],
    json: { ...rendered.json, configuration_file: path, on_server: onServer.map((step) => stepText(step, program)) },
  };
}

function blockOf(heading: string, steps: readonly RemedyStep[]): readonly string[] {
  return steps.length === 0 ? [] : [heading, ...steps.map((step) => `    ${stepText(step, [])}`), ''];
}
