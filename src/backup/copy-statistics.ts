import { type PythonDict, PythonFloat } from '../shared/python-literal.ts';

/** How long one item took, in seconds. */
export interface ItemTimes {
  readonly label: string;
  /** Undefined for a single file, which nothing is to be found out about. */
  readonly analysisSeconds: number | undefined;
  readonly copySeconds: number;
  /** Sum over the parallel runs. */
  readonly serializedSeconds: number;
}

interface StatisticsOptions {
  readonly items: readonly ItemTimes[];
  readonly totalSeconds: number;
  readonly workers: number;
}

/** `copy_stats` of a file-level backup (docs/reference/catalog.md section 5.4). */
export function copyStatistics({ items, totalSeconds, workers }: StatisticsOptions): PythonDict {
  const per = (of: (item: ItemTimes) => number | undefined): PythonDict =>
    new Map(items.flatMap((item) => timed(item.label, of(item))));
  const sum = (of: (item: ItemTimes) => number | undefined): PythonFloat =>
    seconds(items.reduce((total, item) => total + (of(item) ?? 0), 0));
  return new Map<string, PythonFloat | number | PythonDict>([
    ['total_time', seconds(totalSeconds)],
    ['number_of_workers', workers],
    ['analysis_time_per_item', per((item) => item.analysisSeconds)],
    ['copy_time_per_item', per((item) => item.copySeconds)],
    ['serialized_copy_time_per_item', per((item) => item.serializedSeconds)],
    ['analysis_time', sum((item) => item.analysisSeconds)],
    ['copy_time', sum((item) => item.copySeconds)],
    ['serialized_copy_time', sum((item) => item.serializedSeconds)],
  ]);
}

function timed(label: string, value: number | undefined): [string, PythonFloat][] {
  return value === undefined ? [] : [[label, seconds(value)]];
}

function seconds(value: number): PythonFloat {
  return new PythonFloat(Math.round(value * 1e6) / 1e6);
}
