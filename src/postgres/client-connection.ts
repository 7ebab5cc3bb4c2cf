import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorError } from '../shared/operator-error.ts';
import { type Conninfo, clientConninfo, formatConninfo, withKeepalives } from './conninfo.ts';
import { type ConninfoKey, type ConninfoKeyword, conninfoKeywords, isConninfoKey } from './conninfo-keywords.ts';

/** The connection of a client program: a connection string without secrets, and ways for these that no list of processes shows. */
export interface ClientConnection extends AsyncDisposable {
  readonly connection: string;
  /** For the environment of the program. */
  readonly secrets: Readonly<Record<string, string>>;
  /** A file that the program inherits as its descriptor 3. */
  readonly inherited: number | undefined;
}

/** Name of the service that secrets without a variable are handed over by. */
const serviceName = 'pgcellar';

/** For `--dbname` of `pg_basebackup` and `pg_receivewal`. @param conninfo with its service resolved */
export async function clientConnection(conninfo: Conninfo, applicationName: string): Promise<ClientConnection> {
  const parameters = new Map(withKeepalives(clientConninfo(conninfo, applicationName)));
  parameters.delete('load_balance_hosts'); // the host is chosen, and older programs do not know the word
  const secrets: Record<string, string> = {};
  const lines: string[] = [];
  for (const [key, value] of parameters) {
    if (!isConninfoKey(key)) continue;
    const { isSecret, variable }: ConninfoKeyword = conninfoKeywords[key];
    if (isSecret !== true) continue;
    parameters.delete(key);
    if (variable === undefined) lines.push(serviceLine(key, value));
    else secrets[variable] = value;
  }
  if (lines.length === 0)
    return { connection: formatConninfo(parameters), secrets, inherited: undefined, [Symbol.asyncDispose]: nothing };
  const file = await fileWithoutName(`[${serviceName}]\n${lines.join('')}`);
  return {
    connection: formatConninfo(parameters.set('service', serviceName)),
    secrets: { ...secrets, PGSERVICEFILE: '/proc/self/fd/3' },
    inherited: file.fd,
    [Symbol.asyncDispose]: async () => await file.close(),
  };
}

const nothing = (): Promise<void> => Promise.resolve();

function serviceLine(key: ConninfoKey, value: string): string {
  if (!/[\r\n]/.test(value) && !/[ \t-\r]$/.test(value)) return `${key}=${value}\n`;
  throw new OperatorError(
    'configuration-invalid',
    `connection string: ${key} with a line break, or a blank at its end, cannot be passed to the programs of PostgreSQL`,
    {
      hint: 'choose another passphrase, or a key without one',
    },
  );
}

/** Only we and the programs that inherit it can read it, and it is gone with the last of us. */
async function fileWithoutName(text: string): Promise<FileHandle> {
  const path = join(tmpdir(), `pgcellar-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    await file.writeFile(text);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
