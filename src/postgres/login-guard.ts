import type { Socket } from 'node:net';
import type { Client } from 'pg';
import type { OperatorError } from '../shared/operator-error.ts';
import { type AuthRequest, type AuthRequirement, refusalOf } from './auth-requirement.ts';
import { isEncrypted } from './open-channel.ts';

/** The events of a connection of `pg` in the order of a login; its types leave them out. */
interface LoginEvents {
  on(
    event: string,
    listener: (message: { readonly mechanisms?: readonly string[]; readonly processID?: number }) => void,
  ): void;
}

/** Follows one login, so that nothing is answered to a request that the connection string does not allow. */
export class LoginGuard {
  readonly #requirement: AuthRequirement;
  readonly #asked: ('password' | 'md5' | 'sasl')[] = [];
  #refusal: OperatorError | undefined;
  #isChannelBound = false;
  #hasScramEnded = false;
  #isLoggedIn = false;
  #keyPid: number | undefined;

  constructor(requirement: AuthRequirement) {
    this.#requirement = requirement;
  }

  /** Why the login must not go on. */
  get refusal(): OperatorError | undefined {
    return this.#refusal;
  }

  /** Whether the server has let us in; what it refuses afterwards it would refuse in any case. */
  get isLoggedIn(): boolean {
    return this.#isLoggedIn;
  }

  /** Process id that came with the key for cancelling. */
  get keyPid(): number | undefined {
    return this.#keyPid;
  }

  /** To be called where the password is taken, which is before anything of it is sent. */
  throwIfRefused(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /** Listens before the client does, which answers each request by asking for the password. */
  watch(client: Client, channel: Socket): void {
    const { connection } = client as unknown as { readonly connection: LoginEvents }; // documented nowhere, and there since the first release
    connection.on('authenticationCleartextPassword', () => this.#ask({ kind: 'password' }));
    connection.on('authenticationMD5Password', () => this.#ask({ kind: 'md5' }));
    connection.on('authenticationSASL', ({ mechanisms = [] }) => {
      this.#isChannelBound = isEncrypted(channel) && mechanisms.includes('SCRAM-SHA-256-PLUS');
      this.#ask({ kind: 'sasl', mechanisms, isEncrypted: isEncrypted(channel) });
    });
    connection.on('authenticationSASLFinal', () => {
      this.#hasScramEnded = true; // the client breaks off when what it says is wrong
    });
    connection.on('authenticationOk', () => {
      this.#isLoggedIn = true;
      const [isChannelBound, hasScramEnded, asked] = [this.#isChannelBound, this.#hasScramEnded, this.#asked];
      this.#judge({ kind: 'ok', isChannelBound, hasScramEnded, asked });
      if (this.#refusal !== undefined) channel.destroy(this.#refusal);
    });
    connection.on('backendKeyData', ({ processID }) => {
      this.#keyPid = processID;
    });
  }

  #ask(request: Exclude<AuthRequest, { kind: 'ok' }>): void {
    this.#judge(request);
    this.#asked.push(request.kind);
  }

  #judge(request: AuthRequest): void {
    this.#refusal ??= refusalOf(request, this.#requirement);
  }
}
