import { Readable } from 'node:stream';
import type { NodeSSH } from 'node-ssh';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import type { RemoteShell, ShellResult } from './remote-shell.ts';
import { sshFailed } from './ssh-program-shell.ts';

/** An sshd allows ten sessions on one connection unless it is told otherwise (MaxSessions). */
const sessionsAtOnce = 8;
const keptOutput = 64 * 1024;

/** Commands over one open connection, each in a session of its own. */
export function shellOver(client: NodeSSH, label: string): RemoteShell {
  const turns = new Turns(sessionsAtOnce);
  let end = 'the connection was closed';
  client.connection?.on('error', (error: Error) => {
    end = error.message; // what runs over it ends now; nothing may: then nobody else listens
  });
  return {
    get isOpen() {
      return client.isConnected();
    },
    execute: async (command, options) =>
      await turns.take(async () => {
        try {
          return await executeOver(client, command, { ...options, endOf: () => end });
        } catch (error) {
          throw error instanceof OperatorError ? error : sshFailed(label, messageOf(error), error);
        }
      }),
    close: () => {
      client.dispose();
    },
  };
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
  const end = endedBy(signal);
  const command = client.execCommand(line, {
    stdin: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
    encoding: 'latin1', // what it collects by itself is not looked at
    onStdout,
    onStderr: (chunk) => {
      stderr = `${stderr}${chunk.toString('utf8')}`.slice(-keptOutput);
    },
    onChannel: (channel) => {
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

/** Lets so many work at once, the others wait for their turn. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
