import { readFile } from 'node:fs/promises';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { isRecord } from '../shared/is-record.ts';
import { messageOf, OperatorError } from '../shared/operator-error.ts';
import type { ClusterNode } from './cluster-node.ts';

/** How the REST interface of Patroni is spoken to. */
export interface RestAccess {
  /** As written in `cluster_url`: with blanks or commas between several. */
  readonly urls: readonly string[];
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** Members of a cluster, and the addresses of their own REST interfaces. */
export interface PatroniCluster {
  readonly nodes: readonly ClusterNode[];
  readonly urls: readonly string[];
}

const longestAnswerBytes = 1 << 20;

/**
 * Asks Patroni for its members (`GET /cluster`): all addresses concurrently, and the first that answers counts.
 * @throws OperatorError `connection-failed` naming each address that failed; passwords are left out
 */
export async function readPatroniCluster(access: RestAccess, signal: AbortSignal): Promise<PatroniCluster> {
  if (access.urls.length === 0) {
    throw new OperatorError('configuration-invalid', 'cluster_nodes = patroni needs the address of its REST interface', {
      hint: 'set cluster_url = http://HOST:8008, or the addresses of several nodes with blanks between them',
    });
  }
  const failures: string[] = [];
  const asked = access.urls.map(async (url) => {
    try {
      return membersOf(JSON.parse(await get(new URL('/cluster', url), access, signal)));
    } catch (error) {
      failures.push(`${shownUrl(url)}: ${messageOf(error)}`);
      throw error;
    }
  });
  try {
    return await Promise.any(asked);
  } catch {
    signal.throwIfAborted();
    throw new OperatorError('connection-failed', `no REST interface of Patroni answers: ${failures.join('; ')}`, {
      hint: 'compare cluster_url with restapi of patroni.yml, and cluster_ca_file with its certificate',
    });
  }
}

/** The words of `cluster_url`. */
export function urlsOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(/[\s,]+/).filter((url) => /^https?:\/\//.test(url) && URL.canParse(url));
}

function shownUrl(url: string): string {
  return new URL(url).origin;
}

async function get(url: URL, { caFile, certFile, keyFile }: RestAccess, signal: AbortSignal): Promise<string> {
  const { username, password } = url;
  const options: RequestOptions = {
    signal,
    headers: { accept: 'application/json' },
    ...(username === '' ? {} : { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
  };
  if (url.protocol !== 'https:') {
    const { get: getPlain } = await import('node:http');
    return await answerOf((listener) => getPlain(url, options, listener));
  }
  const { get: getSecure } = await import('node:https');
  const files = {
    ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
    ...(certFile === undefined ? {} : { cert: await readFile(certFile), key: await readFile(keyFile ?? certFile) }),
  };
  return await answerOf((listener) => getSecure(url, { ...options, ...files }, listener));
}

async function answerOf(ask: (listener: (answer: IncomingMessage) => void) => ClientRequest): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = ask((answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        text += piece;
        if (text.length > longestAnswerBytes) request.destroy(new Error('the answer is too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(text);
        else reject(new Error(`HTTP status ${String(answer.statusCode)}`));
      });
    });
    request.on('error', reject);
  });
}

function membersOf(answer: unknown): PatroniCluster {
  const members: readonly unknown[] = isRecord(answer) && Array.isArray(answer['members']) ? answer['members'] : [];
  const known = members.filter(isRecord);
  return {
    nodes: known.flatMap(({ name, host, port }): ClusterNode[] => {
      if (typeof host !== 'string' || !['number', 'string'].includes(typeof port)) return [];
      const entry = { host, hostaddr: '', port: Number(port) };
      return [{ entry, name: typeof name === 'string' ? name : `${host}:${String(entry.port)}` }];
    }),
    urls: known.flatMap(({ api_url: url }) => (typeof url === 'string' && URL.canParse(url) ? [new URL(url).origin] : [])),
  };
}
