import type { Config } from 'node-ssh';
import type { Environment } from '../../shared/environment.ts';
import { expandHome, readIfThere } from './ssh-files.ts';
import { isOn, type SshSettings } from './ssh-settings.ts';

interface Who {
  readonly username: string;
  readonly environment: Environment;
}

/** The keys of the agent, then those of the identity files that need no passphrase. */
export async function waysToLogIn(
  settings: SshSettings,
  { username, environment }: Who,
): Promise<NonNullable<Config['authHandler']>> {
  const socket = agentSocket(settings, environment);
  const agent =
    socket === undefined || isOn(settings, 'identitiesonly') ? [] : [{ type: 'agent' as const, username, agent: socket }];
  const files = (settings.get('identityfile') ?? []).map(expandHome);
  const keys = (await Promise.all(files.map(readIfThere))).filter((key) => key !== '');
  return [...agent, ...keys.map((key) => ({ type: 'publickey' as const, username, key }))];
}

function agentSocket(settings: SshSettings, environment: Environment): string | undefined {
  const named = settings.get('identityagent')?.[0];
  if (named === undefined || named === 'SSH_AUTH_SOCK') return environment['SSH_AUTH_SOCK'];
  if (named === 'none') return undefined;
  return named.startsWith('$') ? environment[named.replaceAll(/[${}]/g, '')] : expandHome(named);
}
