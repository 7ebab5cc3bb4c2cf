import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../shared/environment.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type Conninfo, parseConninfo } from './conninfo.ts';
import { isConninfoKey } from './conninfo-keywords.ts';

/** Where the packages of Debian and of the PostgreSQL project look when PGSYSCONFDIR is not set. */
const systemFolders = ['/etc/postgresql-common', '/etc/sysconfig/pgsql', '/etc'];

/**
 * Parameters of a service (PostgreSQL manual, chapter "libpq", The Connection Service File).
 * @throws OperatorError `connection-failed` when no file defines it, or one is wrong
 */
function readService(name: string, environment: Environment): Conninfo {
  const own = environment['PGSERVICEFILE'];
  const system = environment['PGSYSCONFDIR'] === undefined ? systemFolders : [environment['PGSYSCONFDIR']];
  const others = system.map((folder) => join(folder, 'pg_service.conf'));
  const home = environment['HOME'];
  const first = own ?? (home === undefined ? undefined : join(home, '.pg_service.conf'));
  for (const path of [...(first === undefined ? [] : [first]), ...others]) {
    const text = readIfThere(path, path === own);
    const found = text === undefined ? undefined : findService(text, name, path);
    if (found !== undefined) return found;
  }
  throw refuse(`definition of service "${name}" not found`, `define it in ${first ?? others[0] ?? 'pg_service.conf'}`);
}

function readIfThere(path: string, isNeeded: boolean): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    if (!isNeeded && ['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    throw refuse(`the service file ${path} cannot be read: ${code}`, 'PGSERVICEFILE names it');
  }
}

/** The section of a service: the first value of a key counts, the next section ends it. */
function findService(text: string, name: string, path: string): Conninfo | undefined {
  let found: Map<string, string> | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replaceAll(/^[ \t-\r]+|[ \t-\r]+$/g, '');
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('[')) {
      if (found !== undefined) return found;
      if (line.startsWith(`[${name}]`)) found = new Map();
      continue;
    }
    if (found === undefined) continue;
    const where = `${path} line ${String(index + 1)}`;
    const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(line) ?? [];
    if (key === 'service') throw refuse(`a service within a service in ${where}`, 'give its parameters themselves');
    if (!isConninfoKey(key))
      throw refuse(`libpq has no keyword "${key}" (${where})`, 'a line there is KEYWORD=VALUE, without blanks around =');
    if (!found.has(key)) found.set(key, value);
  }
  return found;
}

function refuse(message: string, hint: string): OperatorError {
  return new OperatorError('connection-failed', message, { hint });
}

/** A connection string in which its service is replaced by what that stands for. */
export function withService(text: string, environment: Environment): Conninfo {
  const explicit = parseConninfo(text);
  const name = explicit.get('service') ?? environment['PGSERVICE'];
  if (name === undefined) return explicit;
  const all = new Map([...readService(name, environment), ...explicit]);
  all.delete('service');
  return all;
}
