import type { BenchTable, Measured } from './measure.ts';

/** A table as Markdown: it reads well on a terminal, and docs/performance.md holds it. */
export function formatTable({ title, opponent, rows, notes }: BenchTable): string {
  const head = ['', 'median', 'least to most', 'ratio', 'CPU', 'peak memory', 'runs', 'target'];
  const lines = [head, ...rows.map(cellsOf)];
  const widths = head.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]?.length ?? 0)));
  const lineOf = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const ratioTo = opponent === undefined ? '' : ` (ratio to ${opponent})`;
  const [first = [], ...others] = lines;
  return [
    `### ${title}${ratioTo}`,
    '',
    lineOf(first),
    rule,
    ...others.map(lineOf),
    '',
    ...notes.flatMap((note) => [note, '']),
  ].join('\n');
}

function cellsOf({ name, wallMs, cpuSeconds, peakBytes, runs, ratio, target }: Measured): readonly string[] {
  return [
    name,
    duration(wallMs.median),
    `${duration(wallMs.least)} to ${duration(wallMs.most)}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    `${cpuSeconds.median.toFixed(2)} s`,
    peakBytes.median === 0 ? '' : `${(peakBytes.median / 1e6).toFixed(0)} MB`,
    String(runs),
    target === undefined ? '' : `${target.words}: ${target.isReached ? 'reached' : 'MISSED'}`,
  ];
}

function duration(ms: number): string {
  return ms < 10_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
