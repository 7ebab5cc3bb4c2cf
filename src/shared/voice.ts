/**
 * How the program speaks: called as `barman`, its verbs print what Barman prints, to the letter; under its own name it may say more, and
 * in better words.
 */
export type Voice = 'barman' | 'own';

/** The voice of a program, by the name that it was called by. */
export function voiceOf(programName: string): Voice {
  return programName === 'barman' || programName.startsWith('barman-') ? 'barman' : 'own';
}

/** One line, or several. */
export type Wording = string | readonly string[];

/** A text of ours, and what Barman says in its place where that is something else; null where Barman says nothing. */
export interface Worded<B extends Wording = Wording> {
  readonly asBarman?: B | null | undefined;
  /** Only Barman says this. */
  readonly isOnlyBarmans?: boolean;
}

/** The text in a voice; undefined where that voice says nothing. */
export function spoken<T, B extends Wording = never>(
  text: T,
  { asBarman, isOnlyBarmans = false }: Worded<B>,
  voice: Voice,
): T | B | undefined {
  if (voice === 'own' && isOnlyBarmans) return undefined;
  return voice === 'own' || asBarman === undefined ? text : (asBarman ?? undefined);
}
