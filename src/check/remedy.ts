/**
 * One step of a remedy, by where it is done: `pgcellar` is a command line of ours without the program, `shell` a command on this host as
 * the owner of the catalog, `root` one as root, `sql` is for a superuser of the PostgreSQL server, `hba` a line for the top of its
 * `pg_hba.conf`, `host` a command on its host, `setting` are lines of the server's section in the configuration, `note` is what has to be
 * done by a head.
 */
export type RemedyStep = (
  | { readonly kind: 'pgcellar' | 'shell' | 'root' | 'host'; readonly words: readonly string[] }
  | { readonly kind: 'sql' | 'hba' | 'setting' | 'note'; readonly text: string }
) & {
  /** It gives something up, replaces what somebody has set, or trusts somebody: it is run on a yes to this very step only. */
  readonly isDecision?: true;
};

/** Why a check failed, and what mends it, in this order; `{placeholders}` stand for what belongs to the server at hand. */
export interface Remedy {
  readonly key: string;
  readonly cause: string;
  readonly steps: readonly RemedyStep[];
}

/** Option whose connection string a statement goes over. */
export type QueryOption = 'conninfo' | 'wal_conninfo' | 'primary_conninfo';

/** A step that can be run as it stands: nothing in it is left open, and the connection that it needs works. */
export type RunnableStep = Pick<RemedyStep, 'isDecision'> & { readonly use: 'run' } & (
    | { readonly kind: 'pgcellar' | 'shell' | 'root'; readonly words: readonly string[] }
    | { readonly kind: 'sql'; readonly text: string; readonly over: QueryOption }
  );

/** A step for a hand: it may hold `…` for what only a head knows. */
type AdvisedStep = RemedyStep & { readonly use: 'advice' };

/** A step of the server at hand. Only {@link fillRemedy} makes one, so that nothing with an open place is ever run. */
export type FilledStep = RunnableStep | AdvisedStep;

/** A remedy for the server at hand. */
export interface FilledRemedy extends Remedy {
  readonly steps: readonly FilledStep[];
}

/** The values for the `{placeholders}` of a remedy; a list makes one step for each of its members, and what is unknown is shown as `…`. */
export type RemedyValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The remedy with its placeholders filled: words as they are, names and literals of SQL quoted.
 * @param over where SQL can go; undefined when that connection does not work
 */
export function fillRemedy(remedy: Remedy, values: RemedyValues, over?: QueryOption): FilledRemedy {
  const steps = remedy.steps.flatMap((step) =>
    combinations(step, values).map((single) => asFilled(step, fillStep(step, single), { single, over })),
  );
  return { ...remedy, cause: fill(remedy.cause, first(values)), steps };
}

interface Filling {
  readonly single: SingleValues;
  readonly over: QueryOption | undefined;
}

function asFilled(template: RemedyStep, step: RemedyStep, { single, over }: Filling): FilledStep {
  if (!isOpen(template, single)) {
    switch (step.kind) {
      case 'pgcellar':
      case 'shell':
      case 'root':
        return { ...step, kind: step.kind, use: 'run' };
      case 'sql':
        if (over !== undefined) return { ...step, kind: step.kind, use: 'run', over };
        break;
      case 'host':
      case 'hba':
      case 'setting':
      case 'note':
        break;
    }
  }
  return { ...step, use: 'advice' };
}

/** Whether something is left for a head to fill in. A value may hold anything: only what the step itself says counts. */
function isOpen(template: RemedyStep, values: SingleValues): boolean {
  const text = textOf(template);
  return text.includes(blank) || [...text.matchAll(placeholder)].some(([, key = '']) => values[key] === undefined);
}

function fillStep(step: RemedyStep, values: SingleValues): RemedyStep {
  if ('words' in step) return { ...step, words: step.words.map((word) => fill(word, values)) };
  return { ...step, text: step.kind === 'sql' ? fillSql(step.text, values) : fill(step.text, values) };
}

function textOf(step: RemedyStep): string {
  return 'words' in step ? step.words.join(' ') : step.text;
}

type SingleValues = Readonly<Record<string, string | undefined>>;

/** Stands for what is not known. */
const blank = '…';

/** One set of values for each member of the list that the step names; one set alone when it names none. */
function combinations(step: RemedyStep, values: RemedyValues): readonly SingleValues[] {
  const text = textOf(step);
  for (const [key, members] of Object.entries(values)) {
    if (members === undefined || typeof members === 'string' || !text.includes(`{${key}}`)) continue;
    return members.map((member) => ({ ...first(values), [key]: member }));
  }
  return [first(values)];
}

function first(values: RemedyValues): SingleValues {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      value === undefined || typeof value === 'string' ? value : value.join(', '),
    ]),
  );
}

const placeholder = /\{([a-zA-Z]+)\}/g;

function fill(text: string, values: SingleValues): string {
  return text.replaceAll(placeholder, (_, key: string) => values[key] ?? blank);
}

/** Between single quotes a placeholder is part of a literal, elsewhere it is a name. */
function fillSql(text: string, values: SingleValues): string {
  return text
    .split("'")
    .map((part, index) =>
      part.replaceAll(placeholder, (_, key: string) => {
        const value = values[key];
        if (value === undefined) return blank;
        return index % 2 === 1 ? value.replaceAll("'", "''") : quoteIdentifier(value);
      }),
    )
    .join("'");
}

function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
