import { type ClientProgramName, isCompatible } from '../postgres/client-programs.ts';
import { accessible } from './accessible.ts';
import type { CheckFacts, Verdict } from './check.ts';
import { mendedBy } from './remedies.ts';
import { failed, passed } from './verdict.ts';

/** Those that talk to a server. */
type CheckedProgram = Extract<ClientProgramName, 'pg_basebackup' | 'pg_receivewal'>;

/** The program is there and runs. */
export async function judgeClientPresence(facts: CheckFacts, name: CheckedProgram): Promise<Verdict> {
  const found = await facts.clientProgram(name);
  if (found !== undefined) return passed();
  return failed(
    `${name} was not found: install postgresql-client, or set path_prefix`,
    mendedBy('client-missing', { major: majorOf(facts) }),
  );
}

const shownAs: Readonly<Record<CheckedProgram, string>> = {
  pg_basebackup: 'pg_basebackup',
  pg_receivewal: 'pg_receivexlog',
};

/** The program is of the server's release or a newer one; unknown releases fit nothing. */
export async function judgeClientVersion(facts: CheckFacts, name: CheckedProgram): Promise<Verdict> {
  const program = await facts.clientProgram(name);
  const version = accessible(facts.streaming)?.version;
  if (program !== undefined && version !== undefined && isCompatible(program, version.number)) return passed();
  const remedy =
    version === undefined
      ? mendedBy('server-version-unknown')
      : mendedBy('client-old', { program: name, found: program?.versionText ?? 'none', major: majorOf(facts) });
  const unknown = facts.streaming === undefined ? 'Unknown' : 'None';
  return failed(
    `PostgreSQL version: ${version?.text ?? unknown}, ${shownAs[name]} version: ${program?.versionText ?? 'None'}`,
    remedy,
  );
}

function majorOf({ streaming, connection }: CheckFacts): string | undefined {
  const version = accessible(streaming)?.version ?? accessible(connection)?.version;
  return version === undefined ? undefined : String(Math.floor(version.number / 10_000));
}
