import { runChecks } from '../../check/run-checks.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { silentMessages } from '../../shared/messages.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { Host } from '../../transport/hosts/host.ts';
import type { CheckReport } from '../reports/server-reports.ts';
import { archiveWal } from '../wal/archive-wal.ts';
import { readClusterTrouble } from './read-cluster-trouble.ts';

/** Runs all checks of a server (docs/reference/cli.md section 7). */
export async function checkServer(server: Server, timeoutSeconds: number | undefined, context: Context): Promise<CheckReport> {
  return await checkWith(server, { timeoutSeconds }, context);
}

interface CheckWith {
  readonly timeoutSeconds: number | undefined;
  /** The host that `ssh_command` reaches, when the caller goes on using it. */
  readonly host?: Host | undefined;
}

async function checkWith(asked: Server, { timeoutSeconds, host }: CheckWith, context: Context): Promise<CheckReport> {
  const { config } = asked;
  const cluster = isAsked(asked) ? await readClusterTrouble(asked, silently(context)) : undefined;
  const server = cluster?.server ?? asked;
  const { results, problems } = await runChecks({
    server,
    tools: {
      context,
      host,
      timeoutSeconds: timeoutSeconds ?? config.options.check_timeout,
      // the report is all that a check prints: scripts take its first line for the server's
      archivePending: async () => (await archiveWal(server, { isQuiet: true }, silently(context))) === 'done',
      readCluster: cluster === undefined ? undefined : async () => await Promise.resolve(cluster.trouble),
    },
  });
  return {
    name: config.name,
    isActive: config.isActive,
    isDisabled: config.problems.length > 0,
    isPassive: config.isPassive,
    results,
    problems,
  };
}

function isAsked({ config }: Server): boolean {
  return config.isActive && !config.isPassive && config.problems.length === 0;
}

/**
 * The silent check before a backup.
 * @throws OperatorError `backup-refused` naming the critical checks that failed
 */
export async function requireHealthyServer(server: Server, checking: CheckWith, context: Context): Promise<void> {
  const { results, problems } = await checkWith(server, checking, silently(context));
  const failed = results.filter(({ isOk }) => !isOk);
  for (const { name, hint, isCritical } of failed) {
    const text = `Check '${name}' failed for server '${server.config.name}'${hint === undefined || hint === '' ? '' : ` (${hint})`}`;
    if (isCritical) context.log.error(text);
    else context.log.info(`Ignoring failed check: ${text}`);
  }
  const critical = failed.filter(({ isCritical }) => isCritical);
  if (critical.length === 0) return;
  const [problem] = problems;
  if (problem !== undefined) throw new OperatorError('server-disabled', problem);
  const names = critical.map(({ name }) => name).join(', ');
  throw new OperatorError('backup-refused', `Impossible to start the backup of server '${server.config.name}': ${names}`, {
    hint: `run 'pgcellar check ${server.config.name}' for the details`,
    asBarman: `Impossible to start the backup. Check the log for more details, or run 'barman check ${server.config.name}'`,
  });
}

function silently(context: Context): Context {
  return { ...context, messages: silentMessages };
}
