/** Where the backup host is and how our program there is called. */
export interface RemoteHost {
  readonly user: string;
  readonly host: string;
  readonly port: number | undefined;
  /** Configuration file on that host. */
  readonly configPath: string | undefined;
  /** `barman`, by which name pgcellar can be called too. */
  readonly program: string;
  /** What ssh is to offer, where that is not left to it. */
  readonly ciphers?: string | undefined;
}

/** Exit code of `ssh` for its own failures: no connection, no login. */
export const sshFailure = 255;

/** Without it ssh waits for hours for a host that is gone without a word, and PostgreSQL with it: three such questions stay unanswered. */
const aliveWords = ['-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=3'];

/** The command line up to the remote program (cli.md sections 13 and 14); ssh joins what follows with blanks for the remote shell. */
export function sshWords(remote: RemoteHost): string[] {
  return [...loginWords(remote), remote.program];
}

/** The command line up to the host. */
export function loginWords({ user, host, port, ciphers }: RemoteHost): string[] {
  const options = [
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(ciphers === undefined ? [] : ['-o', `Ciphers=${ciphers}`]),
    ...aliveWords,
  ];
  return ['ssh', ...options, '-q', '-T', `${user}@${host}`];
}
