import { remedyOf } from '../../check/remedies.ts';
import { fillRemedy } from '../../check/remedy.ts';
import type { Conninfo } from '../../postgres/conninfo.ts';
import type { LocalServer } from '../../postgres/local-servers.ts';
import type { Environment } from '../../shared/environment.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';

/** The way to a superuser of the PostgreSQL server: a connection string, or, for root, the user that a local server runs as. */
type SuperuserWay =
  | { readonly kind: 'conninfo'; readonly conninfo: string }
  | { readonly kind: 'owner'; readonly server: LocalServer };

interface MakingRoles {
  readonly way: SuperuserWay;
  /** Connections of the new server, whose roles are made. */
  readonly conninfo: Conninfo;
  readonly streaming: Conninfo;
  readonly environment: Environment;
  /** Told before anything is run. */
  readonly onStatements: (statements: readonly string[]) => void;
}

const firstWithoutExclusive = 150000;

/**
 * Makes the roles of a new server with the rights that they need, by psql as a superuser. Roles that are there keep what they have.
 * @throws OperatorError `program-missing` or `command-failed`
 */
export async function makeRoles({ way, conninfo, streaming, environment, onStatements }: MakingRoles): Promise<void> {
  const psql = async (...words: readonly string[]): Promise<string> => {
    const argv = [...psqlOf(way), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...words];
    const result = await runProgram(argv, { environment, cwd: '/' });
    if (result.exitCode !== 0) throw failureOf(result, 'psql as a superuser');
    return result.stdout.trim();
  };
  const version = Number(await psql('-c', 'SHOW server_version_num'));
  const statements = roleStatements(conninfo, streaming, version);
  onStatements(statements);
  await psql('--single-transaction', ...statements.flatMap((statement) => ['-c', statement]));
}

function psqlOf(way: SuperuserWay): readonly string[] {
  if (way.kind === 'conninfo') return ['psql', '-d', way.conninfo];
  const { folder, port, owner } = way.server;
  const identity = [`--reuid=${String(owner.uid)}`, `--regid=${String(owner.gid)}`, '--clear-groups'];
  return ['setpriv', ...identity, '--', 'psql', '-h', folder, '-p', String(port), '-d', 'postgres'];
}

/** SQL that gives the roles of two connections what backups and streaming need; each statement may be run again. */
function roleStatements(conninfo: Conninfo, streaming: Conninfo, version: number): readonly string[] {
  const [role, streamingRole] = [roleOf(conninfo), roleOf(streaming)];
  const functions = version < firstWithoutExclusive ? 'backup-functions-until-14' : 'backup-functions';
  const steps = [
    ...(role === streamingRole ? [] : stepsOf('not-let-in-locally', role)),
    ...stepsOf('stream-not-let-in-locally', streamingRole),
    ...stepsOf('no-replication-right', streamingRole),
    ...stepsOf(functions, role),
  ];
  return [...new Set(steps)];
}

function stepsOf(key: Parameters<typeof remedyOf>[0], role: string): readonly string[] {
  const { steps } = fillRemedy(remedyOf(key), { role });
  return steps.flatMap((step) => (step.kind === 'sql' && !step.text.includes('pg_reload_conf') ? [step.text] : []));
}

function roleOf(conninfo: Conninfo): string {
  const user = conninfo.get('user');
  if (user !== undefined) return user;
  throw new OperatorError('configuration-invalid', 'the connection string names no user, so no role can be made', {
    hint: 'add user=pgcellar',
  });
}
