import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** The login shell on the host of the server prints nothing by itself: rsync would take it for its own words. */
export const sshOutputClean: Check = {
  name: 'ssh output clean',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'The login shell on the host of PostgreSQL prints text, which breaks the protocol of rsync.',
  remedies: ['ssh-noisy'],
  async run(facts) {
    const host = await facts.host();
    if (host?.kind !== 'ok' || host.value.output === '') return undefined;
    const command = facts.server.config.options.ssh_command ?? '';
    return failed(
      `the remote shell is not silent: ${host.value.output.slice(0, 60).trim()}`,
      mendedBy('ssh-noisy', { command }),
    );
  },
};
