/** A column of a table: its heading, and whether its cells are numbers, which end at one line. */
export interface Column {
  readonly heading: string;
  readonly isNumber?: boolean;
}

/** Lines of a table whose columns are as wide as what they hold; nothing stands behind the last cell. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [columns.map(({ heading }) => heading), ...rows];
  const widths = columns.map((_, index) => Math.max(...all.map((row) => row[index]?.length ?? 0)));
  return all.map((row) =>
    columns
      .map(({ isNumber = false }, index) => {
        const cell = row[index] ?? '';
        return isNumber ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0);
      })
      .join('  ')
      .trimEnd(),
  );
}

/** How long ago something was, in its largest unit: `40 s`, `12 min`, `5 h`, `3 d`. */
export function shortAge(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const;
  const [unit, size] = units.find(([, least]) => seconds >= least) ?? ['s', 1];
  return `${String(Math.floor(Math.max(0, seconds) / size))} ${unit}`;
}
