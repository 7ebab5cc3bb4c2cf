/** JSON of a report, as the JSON writer merges it into its one object (cli.md section 12). */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** One result in both formats. */
export interface Report {
  /** Console lines, without newlines. */
  readonly lines: readonly string[];
  readonly json: JsonObject;
}
