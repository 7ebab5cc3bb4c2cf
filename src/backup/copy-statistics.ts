import { type PythonDict, PythonFloat } from '../shared/python-literal.ts';

/** How long one item took, in seconds. */
export interface ItemTimes {
  readonly label: string;
  readonly analysisSeconds: number;
  readonly copySeconds: number;
  /** Sum over the parallel runs. */
  readonly serializedSeconds: number;
}

interface StatisticsOptions {
  readonly items: readonly ItemTimes[];
  readonly totalSeconds: number;
  readonly workers: number;
}

/** `copy_stats` of a file-level backup (catalog.md section 5.4). */
export function copyStatistics({ items, totalSeconds, workers }: StatisticsOptions): PythonDict {
  const per = (of: (item: ItemTimes) => number): PythonDict => new Map(items.map((item) => [item.label, seconds(of(item))]));
  const sum = (of: (item: ItemTimes) => number): PythonFloat => seconds(items.reduce((total, item) => total + of(item), 0));
  return new Map<string, PythonFloat | number | PythonDict>([
    ['total_time', seconds(totalSeconds)],
    ['number_of_workers', workers],
    ['analysis_time', sum((item) => item.analysisSeconds)],
    ['analysis_time_per_item', per((item) => item.analysisSeconds)],
    ['copy_time_per_item', per((item) => item.copySeconds)],
    ['serialized_copy_time_per_item', per((item) => item.serializedSeconds)],
    ['copy_time', sum((item) => item.copySeconds)],
    ['serialized_copy_time', sum((item) => item.serializedSeconds)],
  ]);
}

function seconds(value: number): PythonFloat {
  return new PythonFloat(Math.round(value * 1e6) / 1e6);
}
