/** Finds the raw text of an option that `%(name)s` refers to. */
export type Lookup = (name: string) => string | undefined;

/** Names that nothing explains; the text keeps them as they are. */
export interface Interpolated {
  readonly text: string;
  readonly unknown: readonly string[];
}

/** Python's limit for references to references. */
const deepest = 10;

/**
 * One pass of `%(option)s` and `%%` over a value. Barman makes two passes and dies on every `%` that is neither; here such a `%`
 * stays, so that `date +%Y` in a hook is what it looks like, and every value that Barman can read comes out as in Barman
 * (docs/reference/config-checks-hooks.md section 1).
 */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  const unknown: string[] = [];
  return { text: expand(text, lookup, { unknown, depth: 0 }), unknown };
}

function expand(text: string, lookup: Lookup, state: { readonly unknown: string[]; readonly depth: number }): string {
  return text.replace(/%%|%\(([^)]+)\)s/g, (found: string, name: string | undefined) => {
    if (name === undefined) return '%';
    const value = state.depth < deepest ? lookup(name.toLowerCase()) : undefined;
    if (value !== undefined) return expand(value, lookup, { unknown: state.unknown, depth: state.depth + 1 });
    state.unknown.push(name);
    return found;
  });
}
