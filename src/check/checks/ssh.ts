import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The host of the server can be reached as `ssh_command` says. */
export const ssh: Check = {
  name: 'ssh',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'The host of PostgreSQL cannot be reached by `ssh_command`.',
  remedies: ['ssh-not-listening', 'ssh-host-unknown', 'ssh-fails'],
  async run(facts) {
    const host = await facts.host();
    if (host === undefined) return undefined;
    return host.kind === 'ok' ? passed('PostgreSQL server') : failed(host.reason, host.remedy);
  },
};
