import type { JsonObject } from '../shared/format-json.ts';

/** One result in both formats. */
export interface Report {
  /** Console lines, without newlines. */
  readonly lines: readonly string[];
  readonly json: JsonObject;
}
