import { isAbsolute, join } from 'node:path';
import type { Backup, Tablespace } from '../../catalog/backups/backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { controlFile } from '../content/restored-files.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import type { Refuse } from './refusals.ts';

/** A tablespace that came after a backup: replay makes it where it was, and nobody can put it elsewhere. */
interface LaterTablespace extends Pick<Tablespace, 'oid' | 'location'> {
  readonly name: string | undefined;
  /** The newest backup without it. */
  readonly notIn: Backup;
}

interface TablespaceQuestion {
  readonly backup: Backup;
  /** Every backup of the server. */
  readonly backups: readonly Backup[];
  readonly target: RecoveryTarget;
  readonly restoreHost: RestoreHost;
  readonly destination: string;
}

/**
 * Tells the tablespaces that replay will make, as far as newer backups and the server that was backed up know them. One whose folder is in use is refused: the
 * restored server would share its files with another one.
 */
export async function judgeLaterTablespaces(question: TablespaceQuestion, refuse: Refuse): Promise<readonly string[]> {
  const { restoreHost, target } = question;
  const told: string[] = [];
  for (const { oid, name, location, notIn } of await laterTablespaces(question)) {
    if (liesBefore(target, notIn)) continue;
    const what = name === undefined ? `a tablespace with oid ${String(oid)}` : `tablespace ${name}`;
    const came = `${what} was created after the backup, at ${location}`;
    const names = await restoreHost.namesIn(location);
    if (names === undefined)
      told.push(
        `${came}, which does not exist: create that folder before you start the restored server, or recovery stops there`,
      );
    else if (names.length === 0) told.push(`${came}: the restored server will use that folder`);
    else
      refuse(
        new OperatorError(
          'destination-unusable',
          `${came}, which is not empty: the restored server would share its files with the server that it belongs to`,
          { hint: 'restore to a target before that, on another host, or a newer backup with --tablespace' },
        ),
        'shared-tablespace',
      );
  }
  return told;
}

async function laterTablespaces(question: TablespaceQuestion): Promise<readonly LaterTablespace[]> {
  const { backup, restoreHost, destination } = question;
  const { beginXlog, pgdata, systemid } = backup;
  const known = new Set((backup.tablespaces ?? []).map(({ oid }) => oid));
  const later = question.backups
    .filter((one) => one.systemid === systemid && one.beginXlog !== null && beginXlog !== null && one.beginXlog > beginXlog)
    .toSorted((a, b) => Number((a.beginXlog ?? 0n) - (b.beginXlog ?? 0n)));
  const found: LaterTablespace[] = [];
  let notIn = backup;
  for (const one of later) {
    for (const tablespace of one.tablespaces ?? []) {
      if (known.has(tablespace.oid)) continue;
      known.add(tablespace.oid);
      found.push({ ...tablespace, notIn });
    }
    notIn = one;
  }
  if (pgdata === null || (await restoreHost.realPath(pgdata)) === (await restoreHost.realPath(destination))) return found;
  const links = await linksOf(pgdata, systemid, restoreHost);
  for (const [oid, location] of links) if (!known.has(oid)) found.push({ oid, name: undefined, location, notIn });
  return found;
}

/** Tablespaces of the server that was backed up, by oid, where it is on that host and may be looked at. */
async function linksOf(
  pgdata: string,
  systemid: string | null,
  restoreHost: RestoreHost,
): Promise<ReadonlyMap<number, string>> {
  const locations = new Map<number, string>();
  try {
    const control = join(pgdata, controlFile);
    if ((await restoreHost.find(control))?.kind !== 'file') return locations;
    const content = await restoreHost.readFile(control);
    if (content.length < 8 || String(content.readBigUInt64LE(0)) !== systemid) return locations;
    for (const name of (await restoreHost.namesIn(join(pgdata, 'pg_tblspc'))) ?? []) {
      const location = await restoreHost.linkTarget(join(pgdata, 'pg_tblspc', name));
      if (location !== undefined && isAbsolute(location)) locations.set(Number(name), location);
    }
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error; // it belongs to somebody else
  }
  return locations;
}

/** Whether replay certainly ends before something was created that is not in a backup. */
function liesBefore(target: RecoveryTarget, { beginTime, beginXlog }: Backup): boolean {
  if (target.kind === 'immediate') return true;
  if (target.kind === 'time') return beginTime !== null && target.time.epochMicros <= beginTime.epochMicros;
  return target.kind === 'lsn' && beginXlog !== null && target.lsn <= beginXlog;
}
