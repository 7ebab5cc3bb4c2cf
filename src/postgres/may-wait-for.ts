/**
 * Whether commits may wait for the standby `name` where `listed` stands in `synchronous_standby_names`: one of the names, or `*`
 * (docs/reference/engine.md section 1.3). As in PostgreSQL, the case of a name does not count.
 */
export function mayWaitFor(name: string, listed: readonly string[]): boolean {
  return listed.some((each) => each === '*' || each.toLowerCase() === name.toLowerCase());
}
