import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate, type SecureVersion } from 'node:tls';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type ConnectionParameters, type HostEntry, userFile } from './connection-parameters.ts';
import type { ConninfoKey } from './conninfo-keywords.ts';

/** Where operating systems keep the certificates that they trust: Debian, Red Hat, Alpine. */
const systemCertificates = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

/**
 * TLS towards one host as libpq has it (PostgreSQL manual, chapter "libpq", SSL Support).
 * @throws OperatorError `connection-failed` for a file that is missing, unreadable or not private
 */
export function tlsOptions(parameters: ConnectionParameters, entry: HostEntry): ConnectionOptions {
  const { get, sslMode } = parameters;
  const ca = rootCertificates(parameters);
  const version = (key: ConninfoKey): SecureVersion | undefined => secureVersions.get((get(key) ?? '').toLowerCase());
  const [minVersion, maxVersion] = [version('ssl_min_protocol_version'), version('ssl_max_protocol_version')];
  return {
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca, rejectUnauthorized: true, ...revoked(parameters) }),
    ...clientCertificate(parameters),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    servername: isIP(entry.host) === 0 && get('sslsni')?.startsWith('1') === true ? entry.host : '',
    checkServerIdentity: (_, certificate) => (sslMode === 'verify-full' ? hostProblem(entry.host, certificate) : undefined),
    ...(get('sslnegotiation') === 'direct' ? { ALPNProtocols: ['postgresql'] } : {}),
  };
}

const secureVersions: ReadonlyMap<string, SecureVersion> = new Map([
  ['tlsv1', 'TLSv1'],
  ['tlsv1.1', 'TLSv1.1'],
  ['tlsv1.2', 'TLSv1.2'],
  ['tlsv1.3', 'TLSv1.3'],
]);

function hostProblem(name: string, certificate: PeerCertificate): Error | undefined {
  if (name === '') return new Error('sslmode=verify-full compares the certificate with host, which is missing');
  if (isIP(name) !== 0 && certificate.subjectaltname === undefined && certificate.subject.CN === name) return undefined;
  return checkServerIdentity(name, certificate);
}

/** Undefined where nothing is to be compared: libpq then takes any certificate. */
function rootCertificates(parameters: ConnectionParameters): string | undefined {
  const asked = nonEmpty(parameters.get('sslrootcert'));
  if (asked === 'system') {
    const text = [parameters.trustedFile, ...systemCertificates].map(readIfThere).find((found) => found !== undefined);
    if (text !== undefined) return text;
    throw refuse('sslrootcert=system: this host has no certificates to trust', 'install the package ca-certificates');
  }
  const path = asked ?? userFile(parameters, 'root.crt');
  const text = readIfThere(path);
  if (text !== undefined || !parameters.sslMode.startsWith('verify')) return text;
  throw refuse(
    `the root certificate file ${path} does not exist`,
    'put the certificate of the authority there, name it in sslrootcert, or use sslrootcert=system',
  );
}

function revoked(parameters: ConnectionParameters): Pick<ConnectionOptions, 'crl'> {
  const file = nonEmpty(parameters.get('sslcrl'));
  const folder = nonEmpty(parameters.get('sslcrldir'));
  const byDefault = file === undefined && folder === undefined ? readIfThere(userFile(parameters, 'root.crl')) : undefined;
  const texts = [
    ...(byDefault === undefined ? [] : [byDefault]),
    ...(file === undefined ? [] : [readNeeded(file, 'sslcrl')]),
    ...(folder === undefined ? [] : listsIn(folder)),
  ];
  return texts.length === 0 ? {} : { crl: texts };
}

function listsIn(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => /^[0-9a-f]{8}\.r\d+$/.test(name));
    return names.map((name) => readFileSync(join(folder, name), 'utf8'));
  } catch (error) {
    throw refuse(
      `sslcrldir: ${folder} cannot be read: ${systemCodeOf(error) ?? ''}`,
      'correct it, or leave sslcrldir out',
      error,
    );
  }
}

/** The certificate that we send when the server asks for one, with its key. */
function clientCertificate(parameters: ConnectionParameters): Pick<ConnectionOptions, 'cert' | 'key' | 'passphrase'> {
  const { get } = parameters;
  if (get('sslcertmode') === 'disable') return {};
  const certPath = nonEmpty(get('sslcert')) ?? userFile(parameters, 'postgresql.crt');
  const cert = readIfThere(certPath);
  if (cert === undefined) return {};
  const keyPath = nonEmpty(get('sslkey')) ?? userFile(parameters, 'postgresql.key');
  const key = readPrivateKey(keyPath, certPath);
  const passphrase = nonEmpty(get('sslpassword'));
  return { cert, key, ...(passphrase === undefined ? {} : { passphrase }) };
}

/** A private key may be read by its owner, or by the group of one that belongs to root. */
function readPrivateKey(path: string, certificate: string): string {
  try {
    const found = statSync(path);
    if (!found.isFile()) throw refuse(`the private key ${path} is not a regular file`, 'sslkey names it');
    if ((found.mode & (found.uid === 0 ? 0o037 : 0o077)) !== 0) {
      throw refuse(`others may read the private key ${path}`, `chmod 0600 ${path} (0640 when it belongs to root)`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const code = systemCodeOf(error) ?? '';
    throw refuse(`the private key ${path} of the certificate ${certificate} cannot be read: ${code}`, 'sslkey names it', error);
  }
}

function readNeeded(path: string, key: ConninfoKey): string {
  const text = readIfThere(path);
  if (text !== undefined) return text;
  throw refuse(`${key}: ${path} does not exist`, `create it, or leave ${key} out`);
}

function readIfThere(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    throw refuse(`${path} cannot be read: ${code}`, 'compare owner and permissions with the user that runs pgcellar', error);
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function refuse(message: string, hint: string, cause?: unknown): OperatorError {
  return new OperatorError('connection-failed', message, { hint, cause });
}
