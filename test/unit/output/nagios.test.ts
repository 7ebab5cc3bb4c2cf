import { describe, expect, test } from 'vitest';
import type { CheckReport } from '../../../src/operations/reports/server-reports.ts';
import { nagiosReport } from '../../../src/output/nagios-report.ts';

/** The output of a plugin as Nagios splits it: "Nagios Plugin API", section Plugin Output Spec. */
function readByNagios(output: string): { text: string; longText: string[]; perfdata: { label: string; value: string }[] } {
  const [first = '', ...rest] = output.split('\n');
  const [text = '', ...inline] = first.split('|');
  const bar = rest.findIndex((line) => line.includes('|'));
  const longText = bar === -1 ? rest : [...rest.slice(0, bar), rest[bar]!.split('|')[0]!];
  const later = bar === -1 ? [] : [rest[bar]!.split('|').slice(1).join('|'), ...rest.slice(bar + 1)];
  return { text: text.trim(), longText, perfdata: readPerfdata([...inline, ...later].join(' ')) };
}

/**
 * `'label'=value[UOM];[warn];[crit];[min];[max]`, separated by blanks; a label with a blank, a quote or an equals sign stands in single
 * quotes, and two of them are one ("Monitoring Plugins Development Guidelines", section Performance data). Throws for anything else.
 */
function readPerfdata(text: string): { label: string; value: string }[] {
  const found: { label: string; value: string }[] = [];
  let rest = text.trim();
  const item = /^(?:'((?:[^']|'')*)'|([^\s'=]+))=(-?[\d.]+)(us|ms|s|%|B|KB|MB|TB|c)?((?:;[^;\s]*){0,4})(?:\s+|$)/;
  while (rest !== '') {
    const [whole, quoted, plain, value] = item.exec(rest) ?? [];
    if (whole === undefined) throw new Error(`Nagios cannot read: ${rest}`);
    found.push({ label: quoted?.replaceAll("''", "'") ?? plain ?? '', value: value ?? '' });
    rest = rest.slice(whole.length);
  }
  return found;
}

const aReport = (name: string, hint?: string): CheckReport => ({
  name,
  isActive: true,
  isDisabled: false,
  isPassive: false,
  problems: [],
  results: [
    { name: 'retention policy settings', isOk: hint === undefined, hint, isCritical: true },
    { name: 'backup minimum size', isOk: true, perfdata: 31_033_271, isCritical: false },
    { name: 'wal size', isOk: true, perfdata: 0, isCritical: false },
  ],
});

describe('the answer to Nagios', () => {
  test.each(['main', 'db 1', "o'neill", 'a=b', 'Größe', '{x}'])('has the sizes of a server named %s under its name', (name) => {
    const { lines, exitCode } = nagiosReport([aReport(name)], { voice: 'own', hasGlobalErrors: false });
    expect(exitCode).toBe(0);
    expect(readByNagios(lines.join('\n')).perfdata).toEqual([
      { label: name, value: '31033271' },
      { label: `${name}_wals`, value: '0' },
    ]);
  });

  test('has no performance data in a hint, whatever is in it', () => {
    const hint = 'write DAYS|WEEKS|MONTHS\nor |x=1;2';
    const { lines, exitCode } = nagiosReport([aReport('main', hint), aReport('other')], {
      voice: 'own',
      hasGlobalErrors: false,
    });
    expect(exitCode).toBe(2);
    const { text, longText, perfdata } = readByNagios(lines.join('\n'));
    expect(text).toBe('PGCELLAR CRITICAL - 1 server out of 2 have issues * main FAILED: retention policy settings');
    expect(longText).toEqual(['main.retention policy settings: FAILED (write DAYS/WEEKS/MONTHS or /x=1;2)']);
    expect(perfdata.map(({ label }) => label)).toEqual(['main', 'main_wals', 'other', 'other_wals']);
  });

  test('has one label for each server where a name cannot be a label', () => {
    const { lines } = nagiosReport([aReport('a|b;c')], { voice: 'barman', hasGlobalErrors: false });
    expect(readByNagios(lines.join('\n')).perfdata.map(({ label }) => label)).toEqual(['a_b_c', 'a_b_c_wals']);
  });
});
