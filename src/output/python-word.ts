/** A value as Python prints it; `None` when there is none. */
export function wordOf(value: string | number | null | undefined): string {
  return value === null || value === undefined ? 'None' : String(value);
}
