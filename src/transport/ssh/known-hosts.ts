import { createHmac, randomBytes } from 'node:crypto';

/** The verdict of the known_hosts files on a host's key. `needs-program`: only a certificate authority is known for it. */
export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked' | 'needs-program';

interface KnownHost {
  readonly marker: string | undefined;
  readonly patterns: string;
  readonly keyType: string;
  readonly key: string;
}

/** Reads the lines of known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"); what is no entry is left out. */
function parseKnownHosts(text: string): KnownHost[] {
  const found: KnownHost[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(?:(@\S+)\s+)?([^\s#@]\S*)\s+(\S+)\s+([A-Za-z0-9+/=]+)/.exec(line);
    if (match === null) continue;
    const [, marker, patterns = '', keyType = '', key = ''] = match;
    found.push({ marker, patterns, keyType, key });
  }
  return found;
}

/** The name of a host in known_hosts: its name, with a port in brackets unless it is 22. */
export function knownHostName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${String(port)}`;
}

/** Types of the keys that are known for a host, for asking the host for one of those. */
export function knownKeyTypes(text: string, name: string): string[] {
  const types = parseKnownHosts(text)
    .filter((entry) => entry.marker === undefined && matches(entry, name))
    .map(({ keyType }) => keyType);
  return [...new Set(types)];
}

/** Compares a host's public key (its blob in base64) with the text of the known_hosts files. */
export function judgeHostKey(text: string, name: string, key: string): HostKeyVerdict {
  const entries = parseKnownHosts(text).filter((entry) => matches(entry, name));
  if (entries.some((entry) => entry.marker === '@revoked' && entry.key === key)) return 'revoked';
  const plain = entries.filter(({ marker }) => marker === undefined);
  if (plain.some((entry) => entry.key === key)) return 'known';
  if (plain.length > 0) return 'changed';
  return entries.some(({ marker }) => marker === '@cert-authority') ? 'needs-program' : 'unknown';
}

/** A line for a key that was accepted. */
export function knownHostLine(name: string, key: Buffer, { isHashed }: { readonly isHashed: boolean }): string {
  const type = key.toString('latin1', 4, 4 + key.readUInt32BE(0)); // the blob begins with the name of its type
  return `${isHashed ? hashed(name, randomBytes(20)) : name} ${type} ${key.toString('base64')}\n`;
}

function matches({ patterns }: KnownHost, name: string): boolean {
  if (patterns.startsWith('|1|')) {
    const salt = Buffer.from(patterns.split('|')[2] ?? '', 'base64');
    return hashed(name, salt) === patterns;
  }
  const list = patterns.split(',');
  if (list.some((pattern) => pattern.startsWith('!') && globOf(pattern.slice(1)).test(name))) return false;
  return list.some((pattern) => globOf(pattern).test(name));
}

function hashed(name: string, salt: Buffer): string {
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function globOf(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i');
}
