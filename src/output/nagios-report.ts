import type { CheckResult } from '../check/check.ts';
import type { CheckReport } from '../operations/reports/server-reports.ts';
import { shownLine } from '../shared/shown-text.ts';
import type { Voice } from '../shared/voice.ts';
import { hintOf, hintText } from './render-check.ts';

interface NagiosOptions {
  /** Barman answers with its name. */
  readonly voice: Voice;
  /** An error was told: an unknown server, a conflict between servers. */
  readonly hasGlobalErrors: boolean;
}

interface NagiosAnswer {
  readonly lines: readonly string[];
  readonly exitCode: 0 | 2;
}

/** `check --nagios` of all servers that were checked, in that order (docs/reference/cli.md section 7, "Nagios mode"). */
export function nagiosReport(reports: readonly CheckReport[], { voice, hasGlobalErrors }: NagiosOptions): NagiosAnswer {
  const product = voice === 'barman' ? 'BARMAN' : 'PGCELLAR';
  const failing = reports.filter(({ results }) => results.some(({ isOk }) => !isOk));
  if (failing.some(({ isActive }) => isActive)) {
    const details = failing.flatMap((report) => failuresOf(report).map((failure) => nagiosLine(report, failure, voice)));
    return {
      lines: [`${product} CRITICAL - ${withoutBar(issues(reports, failing))}${perfdata(reports)}`, ...details],
      exitCode: 2,
    };
  }
  if (hasGlobalErrors) return { lines: [`${product} CRITICAL - Global configuration errors`], exitCode: 2 };
  const good = reports.filter((report) => !failing.includes(report));
  const ignored = failing.map(({ name }) => ` * IGNORING: ${name}`).join('');
  const first =
    good.length === 0
      ? withoutBar(`No server configured${ignored}`)
      : `${withoutBar(`${readiness(good)}${ignored}`)}${perfdata(reports)}`;
  return { lines: [`${product} OK - ${first}`], exitCode: 0 };
}

function readiness(good: readonly CheckReport[]): string {
  const [only] = good;
  const ready = 'Ready to serve the Espresso backup for';
  if (only !== undefined && good.length === 1) return `${ready} ${only.name}`;
  return `${ready} ${String(good.length)} servers${good.map(({ name }) => ` * ${name}`).join('')}`;
}

function issues(reports: readonly CheckReport[], failing: readonly CheckReport[]): string {
  const [only] = reports;
  const who =
    only !== undefined && reports.length === 1
      ? `server ${only.name} has issues`
      : `${String(failing.length)} server out of ${String(reports.length)} have issues`;
  const named = failing.map((report) => {
    const names = failuresOf(report).map(({ name }) => name);
    return ` * ${report.name} FAILED: ${names.join(', ')}`;
  });
  return `${who}${named.join('')}`;
}

function failuresOf({ results }: CheckReport): readonly CheckResult[] {
  return results.filter(({ isOk }) => !isOk);
}

function nagiosLine(report: CheckReport, result: CheckResult, voice: Voice): string {
  return withoutBar(`${report.name}.${result.name}: FAILED${hintText(hintOf(result, voice))}`);
}

/** A vertical bar begins performance data, and a line end ends the text, wherever they stand; neither may come from a hint. */
function withoutBar(text: string): string {
  return shownLine(text.replaceAll('|', '/').replaceAll(/\s*[\r\n]+\s*/g, ' '));
}

/** Names are quoted as Nagios demands where they hold a blank, a quote or an equals sign; a bar or a semicolon cannot be. */
function label(name: string): string {
  const plain = name.replaceAll(/[|;]/g, '_');
  return /[\s'=]/.test(plain) ? `'${plain.replaceAll("'", "''")}'` : plain;
}

/** `|pg1=31033271B pg1_wals=0B`: size of the last backup and of the WAL. */
function perfdata(reports: readonly CheckReport[]): string {
  const values = reports.flatMap(({ name, results }) => [
    `${label(name)}=${bytesBehind(results, 'backup minimum size')}B`,
    `${label(`${name}_wals`)}=${bytesBehind(results, 'wal size')}B`,
  ]);
  return values.length === 0 ? '' : `|${values.join(' ')}`;
}

function bytesBehind(results: readonly CheckResult[], name: string): string {
  return String(results.find((result) => result.name === name)?.perfdata ?? 0);
}
