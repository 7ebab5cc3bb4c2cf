/** How a command on the other side ended; exactly one of `exitCode` and `signal` is set. */
export interface ShellResult {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The last 64 KiB. */
  readonly stderr: string;
}

interface ShellOptions {
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly onStdout: (chunk: Buffer) => void;
}

/** Runs commands in the login shell of another host. @throws OperatorError `ssh-failed` when it cannot be reached */
export interface RemoteShell {
  /** False once its connection has broken: the next command needs a new one. */
  readonly isOpen: boolean;
  execute(command: string, options: ShellOptions): Promise<ShellResult>;
  close(): void;
}
