/** The arguments and surroundings of the program. */
export interface Invoked {
  /** Name it was called by: a link may give it Barman's. */
  readonly programName: string;
  /** Path of the script, for starting ourselves again. */
  readonly script: string;
  readonly argv: readonly string[];
}
