import { readFile, stat } from 'node:fs/promises';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';

/** The server asks for a password, and there is none for it. */
export class PasswordMissing extends OperatorError {}

/** The connection that a line of the file is compared with. */
export interface PasswordKey {
  readonly host: string;
  readonly port: string;
  /** `replication` for a replication connection. */
  readonly database: string;
  readonly user: string;
}

const defaultSocketFolders = new Set(['/var/run/postgresql', '/tmp']);

/**
 * The password for a connection from libpq's password file (PostgreSQL manual, chapter "libpq", The Password File). As for libpq, a file that others may read counts as none.
 * @throws OperatorError `connection-failed` that says which line is missing, or why the file does not count
 */
export async function readPassword(key: PasswordKey, path: string): Promise<string> {
  const text = await readPrivateFile(path);
  const found = text === undefined ? undefined : findPassword(text, key);
  if (found !== undefined) return found;
  throw new PasswordMissing('connection-failed', `it asks for a password, and ${path} has none for it`, {
    hint: `add the line ${passwordEntry({ ...key, database: '*' })}:PASSWORD to ${path}, mode 0600`,
  });
}

/** The password of the first line that fits; undefined when none does. */
export function findPassword(text: string, key: PasswordKey): string | undefined {
  const wanted = [nameOf(key.host), key.port, key.database, key.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = splitFields(line);
    const password = fields[4];
    if (password === undefined) continue;
    if (wanted.every((value, at) => fields[at] === '*' || unescape(fields[at] ?? '') === value)) return unescape(password);
  }
  return undefined;
}

async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw new PasswordMissing(
      'connection-failed',
      `it asks for a password, and ${path} cannot be read: ${systemCodeOf(error) ?? ''}`,
      {
        cause: error,
      },
    );
  }
  throw new PasswordMissing(
    'connection-failed',
    `it asks for a password, and ${path} does not count because others may read it`,
    {
      hint: `chmod 0600 ${path}`,
    },
  );
}

/** A socket in one of the usual folders stands as `localhost` in the file. */
function nameOf(host: string): string {
  return defaultSocketFolders.has(host) ? 'localhost' : host;
}

/** Five fields; colons behind a backslash, and those of the last field, belong to the field. */
function splitFields(line: string): readonly string[] {
  const fields = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/s.exec(line);
  return fields?.slice(1) ?? [];
}

/** The line of a password, up to it. */
export function passwordEntry({ host, port, database, user }: PasswordKey): string {
  return [nameOf(host), port, database, user].map((field) => field.replaceAll(/[:\\]/g, '\\$&')).join(':');
}

function unescape(field: string): string {
  return field.replaceAll(/\\(.)/gs, '$1');
}
