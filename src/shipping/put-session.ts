import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Environment } from '../shared/environment.ts';
import { type BackupHost, boundConnecting, configWords, sshWords } from './backup-host.ts';
import { RemoteSession, type SessionStart } from './remote-session.ts';

interface PutOptions {
  readonly remote: BackupHost;
  readonly serverName: string;
  readonly environment: Environment;
  readonly silentMs?: number;
}

/** One connection to `put-wal --session` of the backup host, which takes one tar stream after another and acknowledges each. */
export class PutSession {
  readonly #remote: RemoteSession;
  #acknowledge: ((isStored: boolean) => void) | undefined;

  private constructor(remote: RemoteSession) {
    this.#remote = remote;
    remote.answersGoTo({
      onLine: (line) => {
        if (line === 'stored' || line === 'refused') this.#settle(line === 'stored');
        else remote.giveUp();
      },
      onEnd: () => this.#settle(false),
      isAwaiting: () => this.#acknowledge !== undefined,
    });
  }

  /** Logs in. */
  static async begin({ remote, serverName, environment, silentMs }: PutOptions): Promise<SessionStart<PutSession>> {
    const bound = await boundConnecting(remote, environment);
    const argv = [...sshWords(bound), ...configWords(bound), 'put-wal', '--session', serverName];
    const start = await RemoteSession.begin({ argv, environment, silentMs, greeting: 'pgcellar-put 1' });
    return start.kind === 'open' ? { ...start, session: new PutSession(start.session) } : start;
  }

  get isOver(): boolean {
    return this.#remote.isOver;
  }

  /** Sends a tar stream of so many bytes; true when the backup host has stored what is in it. One that breaks off ends the session. */
  async put(tar: Readable, bytes: number): Promise<boolean> {
    if (this.#remote.isOver) return false;
    const acknowledged = new Promise<boolean>((resolve) => {
      this.#acknowledge = resolve;
    });
    const { requests } = this.#remote;
    requests.write(`tar ${String(bytes)}\n`);
    try {
      await pipeline(this.#counted(tar, bytes), requests, { end: false });
    } catch {
      this.#remote.giveUp();
    }
    return await acknowledged;
  }

  close(): void {
    this.#remote.close();
  }

  /** @throws Error when there are more bytes, or fewer */
  async *#counted(tar: Readable, bytes: number): AsyncGenerator<Buffer> {
    let left = bytes;
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      left -= chunk.length;
      if (left < 0) break;
      this.#remote.watchSilence();
      yield chunk;
    }
    if (left !== 0) throw new Error('the tar stream has another length than was announced');
  }

  #settle(isStored: boolean): void {
    this.#acknowledge?.(isStored);
    this.#acknowledge = undefined;
    this.#remote.watchSilence();
  }
}
