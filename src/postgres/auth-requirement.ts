import { OperatorError } from '../shared/operator-error.ts';

/** Ways of logging in by the names of `require_auth`. */
type AuthMethod = 'password' | 'md5' | 'gss' | 'sspi' | 'scram-sha-256' | 'oauth' | 'none';

const methods: readonly AuthMethod[] = ['password', 'md5', 'gss', 'sspi', 'scram-sha-256', 'oauth', 'none'];

/** The requirements of a connection string for the login. */
export interface AuthRequirement {
  /** Value of `require_auth`, for messages. */
  readonly text: string;
  /** All of them when nothing is asked for. */
  readonly allowed: ReadonlySet<AuthMethod>;
  readonly needsChannelBinding: boolean;
}

/** Why `require_auth` cannot be read; undefined when it can. */
export function authRequirementProblem(text: string): string | undefined {
  if (text === '') return undefined;
  const words = text.split(',');
  const isNegative = words[0]?.startsWith('!') === true;
  const seen = new Set<string>();
  for (const word of words) {
    const name = word.replace(/^!/, '');
    if (word.startsWith('!') !== isNegative)
      return `"${word}" cannot be mixed with ${isNegative ? 'negative' : 'positive'} methods`;
    if (!(methods as readonly string[]).includes(name))
      return `it takes a list of ${methods.join(', ')}, or of these with a ! before each`;
    if (seen.has(name)) return `"${word}" is given more than once`;
    seen.add(name);
  }
  return undefined;
}

/** Reads `require_auth`, which {@link authRequirementProblem} finds right, and `channel_binding`. */
export function authRequirementOf(requireAuth: string, channelBinding: string): AuthRequirement {
  const words = requireAuth === '' ? [] : requireAuth.split(',');
  const isNamed = (method: AuthMethod): boolean => words.includes(method) || words.includes(`!${method}`);
  const isNegative = words.length === 0 || words[0]?.startsWith('!') === true;
  return {
    text: requireAuth,
    allowed: new Set(methods.filter((method) => isNamed(method) !== isNegative)),
    needsChannelBinding: channelBinding === 'require',
  };
}

/** A request of the server in the login. */
export type AuthRequest =
  | { readonly kind: 'password' | 'md5' }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[]; readonly isEncrypted: boolean }
  | {
      readonly kind: 'ok';
      /** The server has proved that it knows the password, too. */
      readonly hasScramEnded: boolean;
      readonly isChannelBound: boolean;
      /** The requests before, as far as they were answered. */
      readonly asked: readonly ('password' | 'md5' | 'sasl')[];
    };

const bound = 'SCRAM-SHA-256-PLUS';

/**
 * The refusal of a request that the connection string does not allow, to be thrown before anything is answered; undefined when it does.
 */
export function refusalOf(request: AuthRequest, requirement: AuthRequirement): OperatorError | undefined {
  return channelRefusal(request, requirement) ?? methodRefusal(request, requirement);
}

function channelRefusal(request: AuthRequest, { needsChannelBinding }: AuthRequirement): OperatorError | undefined {
  if (!needsChannelBinding) return undefined;
  const refuse = (reason: string) =>
    new OperatorError('connection-failed', `channel_binding=require is not met: ${reason}; nothing was sent`, {
      hint: 'the server needs TLS (ssl = on), a line with scram-sha-256 in pg_hba.conf, and a SCRAM password of the role',
    });
  switch (request.kind) {
    case 'password':
    case 'md5':
      return refuse('the server asks for a password without it');
    case 'sasl':
      if (!request.isEncrypted) return refuse('the connection has no TLS');
      return request.mechanisms.includes(bound) ? undefined : refuse('the server does not offer it');
    case 'ok':
      return request.isChannelBound && request.hasScramEnded ? undefined : refuse('the server let us in without it');
  }
}

function methodRefusal(request: AuthRequest, { allowed, text }: AuthRequirement): OperatorError | undefined {
  const refuse = (reason: string) =>
    new OperatorError('connection-failed', `require_auth=${text} is not met: ${reason}; no password was sent`, {
      hint: 'compare the method in pg_hba.conf of the server, and require_auth, with each other',
    });
  switch (request.kind) {
    case 'password':
      return allowed.has('password') ? undefined : refuse('the server asks for the password in clear');
    case 'md5':
      return allowed.has('md5') ? undefined : refuse('the server asks for an MD5 hash of the password');
    case 'sasl':
      if (!request.mechanisms.some((name) => name.startsWith('SCRAM-'))) return undefined; // nothing that could be answered
      return allowed.has('scram-sha-256') ? undefined : refuse('the server asks for SCRAM authentication');
    case 'ok':
      if (allowed.has('none') || request.hasScramEnded) return undefined;
      if (request.asked.includes('password') || request.asked.includes('md5')) return undefined;
      return refuse('the server did not complete an authentication');
  }
}
