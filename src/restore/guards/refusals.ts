import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import type { Wording } from '../../shared/voice.ts';

/** The checks that an operator may override with `--allow`. */
export const allowances = ['space', 'other-cluster', 'missing-wal', 'incomplete-backup', 'shared-tablespace'] as const;
export type Allowance = (typeof allowances)[number];

/** Takes a reason against a restore; where nobody collects them, the first one is thrown. */
export type Refuse = (error: OperatorError, allowance?: Allowance) => void;

/** For callers that want to know the first reason only. */
export const throwRefusal: Refuse = (error) => {
  throw error;
};

/** Collects every reason against a restore, so that the operator learns all of them in one run. */
export class Refusals {
  readonly #allowed: ReadonlySet<Allowance>;
  readonly #errors: OperatorError[] = [];
  readonly #warnings: string[] = [];

  constructor(allowed: ReadonlySet<Allowance> = new Set()) {
    this.#allowed = allowed;
  }

  get errors(): readonly OperatorError[] {
    return this.#errors;
  }

  /** The overridden refusals. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  readonly add: Refuse = (error, allowance) => {
    if (allowance !== undefined && this.#allowed.has(allowance)) {
      this.#warnings.push(`${error.message}: allowed by --allow ${allowance}`);
      return;
    }
    if (this.#errors.some(({ message }) => message === error.message)) return;
    this.#errors.push(allowance === undefined ? error : withWayOut(error, allowance));
  };

  /** Result of a step of planning; undefined when it refuses. */
  async take<T>(step: () => T | Promise<T>, allowance?: Allowance): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error;
      this.add(error, allowance);
      return undefined;
    }
  }
}

function withWayOut(error: OperatorError, allowance: Allowance): OperatorError {
  const wayOut = `--allow ${allowance} overrides this check`;
  const hint = error.hint === undefined ? wayOut : `${error.hint}; ${wayOut}`;
  return new OperatorError(error.code, messageOf(error), { hint, cause: error });
}

/** The reason against a destination. */
export function unusable(message: string, hint?: string, asBarman?: Wording): OperatorError {
  return new OperatorError('destination-unusable', message, { ...(hint === undefined ? {} : { hint }), asBarman });
}
