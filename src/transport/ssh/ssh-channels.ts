import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeSSH } from 'node-ssh';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import type { RemoteShell, ShellResult } from './remote-shell.ts';
import { sshFailed } from './ssh-program-shell.ts';

/** An sshd allows ten sessions on one connection unless it is told otherwise (MaxSessions): that is found out when it refuses one. */
const concurrentSessions = 8;
/** It may not have noticed yet that the session before has ended. */
const triesForSession = 20;
const betweenTriesMs = 50;
const keptOutput = 64 * 1024;

/** Commands over one open connection, each in a session of its own. */
export function shellOver(client: NodeSSH, label: string): RemoteShell {
  const turns = new Turns(concurrentSessions);
  let end = 'the connection was closed';
  client.connection?.on('error', (error: Error) => {
    end = error.message; // commands that run over it end now; there may be none, and then no other listener
  });
  return {
    get isOpen() {
      return client.isConnected();
    },
    execute: async (command, options) => {
      for (let triesLeft = triesForSession; ; triesLeft--) {
        const result = await turns.take(async () => {
          try {
            return await executeOver(client, command, { ...options, endOf: () => end });
          } catch (error) {
            if (isRefusedSession(error) && triesLeft > 0) return 'too-many';
            throw error instanceof OperatorError ? error : sshFailed(label, messageOf(error), error);
          }
        });
        if (result !== 'too-many') return result;
        turns.lower();
        await delay(betweenTriesMs);
      }
    },
    close: () => {
      // not end(): a host that is silent never answers it, and its open connection would keep this process running
      client.connection?.destroy();
      client.dispose();
    },
  };
}

/** The number is that of RFC 4254 section 5.1, which OpenSSH also gives for one session too many. */
function isRefusedSession(error: unknown): boolean {
  return error instanceof Error && 'reason' in error && [2, 4].includes(Number(error.reason));
}

type ExecuteOptions = Parameters<RemoteShell['execute']>[1] & {
  /** Why the connection ended. */
  readonly endOf: () => string;
};

async function executeOver(
  client: NodeSSH,
  line: string,
  { input, signal, onStdout, endOf }: ExecuteOptions,
): Promise<ShellResult> {
  let stderr = '';
  const onStderr = (chunk: Buffer): void => {
    stderr = `${stderr}${chunk.toString('utf8')}`.slice(-keptOutput);
  };
  const end = endedBy(signal);
  const command = client.execCommand(line, {
    stdin: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
    encoding: 'latin1', // its own collection is not used
    onStdout,
    onStderr,
    onChannel: (channel) => {
      // it would collect all of it, and a host may never end
      queueMicrotask(() => {
        channel.removeAllListeners('data').on('data', onStdout);
        channel.stderr.removeAllListeners('data').on('data', onStderr);
      });
      void end.aborted.then(() => {
        channel.signal('TERM'); // a server may refuse to pass signals on: then the command ends when nobody reads what it writes
        channel.destroy();
      });
    },
  });
  try {
    const result = await Promise.race([command, end.aborted]);
    if (result === 'aborted') return { exitCode: undefined, signal: 'SIGTERM', stderr };
    if (result.code !== null) return { exitCode: result.code, signal: undefined, stderr };
    if (result.signal === null) throw new Error(endOf());
    return { exitCode: undefined, signal: `SIG${result.signal}` as NodeJS.Signals, stderr }; // RFC 4254 names signals without their SIG
  } finally {
    end.forget();
    command.catch(() => undefined); // after an abort nobody waits for it
  }
}

interface AbortPromise {
  readonly aborted: Promise<'aborted'>;
  forget(): void;
}

function endedBy(signal: AbortSignal | undefined): AbortPromise {
  let listener: () => void = () => undefined;
  const aborted = new Promise<'aborted'>((resolve) => {
    listener = () => {
      resolve('aborted');
    };
    if (signal?.aborted === true) listener();
    signal?.addEventListener('abort', listener, { once: true });
  });
  return {
    aborted,
    forget: () => {
      signal?.removeEventListener('abort', listener);
    },
  };
}

/** Lets so many work concurrently; the others wait for their turn. */
class Turns {
  #limit: number;
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    while (this.#busy >= this.#limit)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    this.#busy++;
    try {
      return await work();
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  /** One less from now on than were at work. */
  lower(): void {
    this.#limit = Math.max(1, Math.min(this.#limit - 1, this.#busy));
  }
}
