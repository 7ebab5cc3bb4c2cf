import type { JsonObject } from '../shared/format-json.ts';

/** One result in both formats. */
export interface Report {
  /** Console lines, without newlines. */
  readonly lines: readonly string[];
  readonly json: JsonObject;
  /** Our own part, after the lines and under the one key `pgcellar`: Barman's voice leaves it out. */
  readonly own?: { readonly lines: readonly string[]; readonly json: JsonObject } | undefined;
}
