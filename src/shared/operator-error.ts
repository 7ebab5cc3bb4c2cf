import { type ErrorCode, exitCodeOf } from './error-codes.ts';

interface OperatorErrorOptions {
  /** One line that says what to do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** An expected failure, told to the operator in one line and a hint; everything else that is thrown is a bug of ours. */
export class OperatorError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: OperatorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OperatorError';
    this.code = code;
    this.hint = options.hint;
  }

  /** Exit code of a command that ends with this failure. */
  get exitCode(): number {
    return exitCodeOf[this.code];
  }
}

/** Text of anything that was thrown, for embedding in another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `code` of a Node system error (`ENOENT`, `EACCES`, …), undefined for anything else. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
