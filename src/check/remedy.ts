/**
 * One step of a remedy, by where it is done: `pgcellar` is a command line of ours without the program, `shell` a command on this host as
 * the owner of the catalog, `root` one as root, `sql` is for a superuser of the PostgreSQL server, `hba` a line for the top of its
 * `pg_hba.conf`, `host` a command on its host, `setting` are lines of the server's section in the configuration, `note` is what has to be
 * done by a head.
 */
export type RemedyStep =
  | { readonly kind: 'pgcellar' | 'shell' | 'root' | 'host'; readonly words: readonly string[] }
  | { readonly kind: 'sql' | 'hba' | 'setting' | 'note'; readonly text: string };

/** Why a check failed, and what mends it, in this order. */
export interface Remedy {
  readonly key: string;
  readonly cause: string;
  readonly steps: readonly RemedyStep[];
}

/** What fills the `{placeholders}` of a remedy; a list makes one step for each of its members. */
export type RemedyValues = Readonly<Record<string, string | readonly string[]>>;

/** The remedy with its placeholders filled: words as they are, names and literals of SQL quoted. */
export function fillRemedy(remedy: Remedy, values: RemedyValues): Remedy {
  const steps = remedy.steps.flatMap((step) => combinations(step, values).map((single) => fillStep(step, single)));
  return { ...remedy, cause: fill(remedy.cause, first(values)), steps };
}

function fillStep(step: RemedyStep, values: Readonly<Record<string, string>>): RemedyStep {
  if ('words' in step) return { ...step, words: step.words.map((word) => fill(word, values)) };
  return { ...step, text: step.kind === 'sql' ? fillSql(step.text, values) : fill(step.text, values) };
}

/** One set of values for each member of the list that the step names; one set alone when it names none. */
function combinations(step: RemedyStep, values: RemedyValues): readonly Readonly<Record<string, string>>[] {
  const text = 'words' in step ? step.words.join(' ') : step.text;
  const list = Object.entries(values).find(([key, value]) => typeof value !== 'string' && text.includes(`{${key}}`));
  if (list === undefined) return [first(values)];
  const [key, members] = list;
  const listed = typeof members === 'string' ? [members] : members;
  return listed.map((member) => ({ ...first(values), [key]: member }));
}

function first(values: RemedyValues): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typeof value === 'string' ? value : value.join(', ')]),
  );
}

const placeholder = /\{([a-zA-Z]+)\}/g;

function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(placeholder, (whole, key: string) => values[key] ?? whole);
}

/** Between single quotes a placeholder is part of a literal, elsewhere it is a name. */
function fillSql(text: string, values: Readonly<Record<string, string>>): string {
  return text
    .split("'")
    .map((part, index) =>
      part.replaceAll(placeholder, (whole, key: string) => {
        const value = values[key];
        if (value === undefined) return whole;
        return index % 2 === 1 ? value.replaceAll("'", "''") : quoteIdentifier(value);
      }),
    )
    .join("'");
}

function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
