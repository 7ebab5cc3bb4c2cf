import type { Log } from '../shared/log.ts';
import type { Messages, Text } from '../shared/messages.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import { stackOf } from '../shared/stack-of.ts';
import type { Voice } from '../shared/voice.ts';
import type { Colours } from './colours.ts';
import type { Report } from './report.ts';

/** Options of a message. */
export type MessageOptions = NonNullable<Parameters<Messages['info']>[1]>;

/** Where a command's text goes: the console or one JSON object. */
export interface Writer extends Messages {
  readonly voice: Voice;
  /** For renderers that colour words. */
  readonly colours: Colours;
  /** An error or an exception was told: the command ends with exit code 1. */
  readonly hasFailed: boolean;
  /** Shows the result of a command. */
  print(report: Report): void;
  /** `error` with advice on what to do about it, which Barman's voice leaves to the log. */
  errorWithHint(text: Text, hint: string, options?: MessageOptions): void;
  /** Shows nothing from now on, not even errors; they still count and are logged (`check --nagios`). */
  silence(): void;
  /** To be called once, after everything was told. */
  finish(): void;
}

/** Streams as far as writers use them. */
export interface TextStream {
  write(text: string): unknown;
}

/** Tells what ended a command: one line and a hint for an expected failure, anything else as a bug of ours with its trace in the log. */
export function tellFailure(writer: Writer, error: unknown, log: Pick<Log, 'error'>): void {
  if (error instanceof OperatorError) {
    const { lines, hint, asBarman } = error;
    if (hint === undefined) writer.error(lines, { asBarman });
    else writer.errorWithHint(lines, hint, { asBarman });
    return;
  }
  writer.exception([messageOf(error), 'See log file for more details.']);
  if (error instanceof Error) log.error(stackOf(error));
}
