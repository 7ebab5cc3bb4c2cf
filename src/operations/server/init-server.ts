import { remedyOf } from '../../check/remedies.ts';
import { type FilledStep, fillRemedy } from '../../check/remedy.ts';
import { slotName as slotNameKind } from '../../config/option-kind.ts';
import type { GlobalOptions } from '../../config/options.ts';
import { refuseNameForNew } from '../../config/sections.ts';
import type { Server } from '../../config/server.ts';
import { type SectionLines, writeServerFile } from '../../config/write-server-file.ts';
import { type Conninfo, formatConninfo, parseConninfo } from '../../postgres/conninfo.ts';
import { localAddressTowards } from '../../postgres/local-address.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { CheckReport } from '../reports/server-reports.ts';
import { checkServer } from './check-server.ts';

interface NamedServer {
  readonly name: string;
  readonly conninfo: string;
  readonly streamingConninfo: string | undefined;
  readonly slotName: string;
}

interface NewServer extends NamedServer {
  readonly wal: 'streaming' | 'archive-command';
  /** Names of servers and models that are configured. */
  readonly taken: readonly string[];
  readonly global: GlobalOptions;
  /** Reads the configuration again, for the server that is in it by now. */
  readonly load: () => Server;
}

export interface InitReport {
  readonly check: CheckReport;
  /** File that was written. */
  readonly path: string;
  /** The missing settings on the PostgreSQL side, each once: SQL, lines of `pg_hba.conf`, commands on its host. */
  readonly onServer: readonly FilledStep[];
}

/**
 * Writes the file of a new server, then checks it; what fails on the PostgreSQL side comes back as ready SQL and text.
 * @throws OperatorError `configuration-invalid` for a connection string that cannot be read or holds a password, or a server of that
 * name; `file-unwritable`
 */
export async function initServer(asked: NewServer, context: Context): Promise<InitReport> {
  const { conninfo, streaming } = readNewServer(asked);
  if (asked.taken.includes(asked.name)) {
    throw new OperatorError('configuration-invalid', `a section [${asked.name}] is there already`, {
      hint: `check ${asked.name} looks at the server as it is`,
    });
  }
  const path = await writeServerFile(asked.global, asked.name, linesFor(asked, conninfo, streaming));
  context.messages.info(`Wrote ${path}`);
  const check = await checkServer(asked.load(), undefined, context);
  return { check, path, onServer: await missingOnServer(check, conninfo, streaming) };
}

/**
 * The connections of a new server. Writes nothing, so that a mistake leaves nothing behind.
 * @throws OperatorError `configuration-invalid` as {@link initServer}, and for a name that cannot be a section or a slot
 */
export function readNewServer({ name, conninfo: text, streamingConninfo, slotName }: NamedServer): Connections {
  refuseNameForNew(name);
  const slot = slotNameKind.read(slotName);
  if ('problem' in slot) throw new OperatorError('configuration-invalid', `--slot-name ${slotName}: ${slot.problem}`);
  const conninfo = readConninfo('--conninfo', text);
  const streaming =
    streamingConninfo === undefined ? streamingRoleOf(conninfo) : readConninfo('--streaming-conninfo', streamingConninfo);
  return { conninfo, streaming };
}

interface Connections {
  readonly conninfo: Conninfo;
  readonly streaming: Conninfo;
}

function readConninfo(option: string, text: string): Conninfo {
  const conninfo = parseConninfo(text);
  if (conninfo.size === 0) {
    throw new OperatorError('configuration-invalid', `${option} is empty`, {
      hint: 'for example "host=db1 user=pgcellar dbname=postgres"',
    });
  }
  if (!conninfo.has('password')) return conninfo;
  const [host = 'localhost', port = '5432', user = '*'] = ['host', 'port', 'user'].map((key) => conninfo.get(key));
  throw new OperatorError('configuration-invalid', `${option} holds a password, which must not stand in a configuration file`, {
    hint: `leave it out, and write  ${host}:${port}:*:${user}:PASSWORD  into ~/.pgpass, mode 0600`,
  });
}

/** The same place under a role of its own, as Barman's manual names it. */
function streamingRoleOf(conninfo: Conninfo): Conninfo {
  const parameters = new Map(conninfo);
  parameters.delete('dbname');
  return parameters.set('user', `streaming_${conninfo.get('user') ?? 'pgcellar'}`);
}

function linesFor({ wal, slotName, name }: NewServer, conninfo: Conninfo, streaming: Conninfo): SectionLines {
  return [
    ['description', `PostgreSQL server ${name}`],
    ['conninfo', formatConninfo(conninfo)],
    ['streaming_conninfo', formatConninfo(streaming)],
    ['backup_method', 'postgres'],
    ...(wal === 'streaming'
      ? ([
          ['streaming_archiver', 'on'],
          ['slot_name', slotName],
          ['create_slot', 'auto'],
        ] as const)
      : ([['archiver', 'on']] as const)),
  ];
}

/** Without a connection nobody knows which rights are missing: then all of them are told. */
async function missingOnServer(check: CheckReport, conninfo: Conninfo, streaming: Conninfo): Promise<readonly FilledStep[]> {
  const named = check.results.flatMap(({ isOk, remedy }) => (isOk || remedy === undefined ? [] : remedy.steps));
  const isBlind = check.results.some(({ name, isOk }) => name === 'PostgreSQL' && !isOk);
  const steps = [...named, ...(isBlind ? await everything(conninfo, streaming) : [])];
  const wanted = steps.filter(
    (step) => step.kind === 'hba' || step.kind === 'host' || (step.kind === 'sql' && step.text !== reload),
  );
  const unique = new Map(wanted.map((step) => [JSON.stringify([step.kind, 'words' in step ? step.words : step.text]), step]));
  return [...unique.values()];
}

/** Comes after the lines of `pg_hba.conf`, not with the rest of the SQL. */
const reload = 'SELECT pg_reload_conf();';

async function everything(conninfo: Conninfo, streaming: Conninfo): Promise<readonly FilledStep[]> {
  const isLocal = (conninfo.get('host') ?? '/').startsWith('/');
  const local = isLocal ? '-locally' : '';
  const address = isLocal
    ? undefined
    : await localAddressTowards(conninfo.get('host') ?? '', Number(conninfo.get('port') ?? 5432));
  const roleOf = (parameters: Conninfo) => ({
    role: parameters.get('user') ?? 'pgcellar',
    database: parameters.get('dbname') ?? 'postgres',
    address: address ?? 'BACKUPHOST/32',
  });
  return [
    ...fillRemedy(remedyOf(`not-let-in${local}`), roleOf(conninfo)).steps,
    ...fillRemedy(remedyOf('backup-functions'), roleOf(conninfo)).steps,
    ...fillRemedy(remedyOf(`stream-not-let-in${local}`), roleOf(streaming)).steps,
  ];
}
