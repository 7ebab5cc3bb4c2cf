import type { Context } from '../shared/context.ts';

export type DigestName = 'sha256' | 'md5';

const checksumFiles: ReadonlyMap<string, DigestName> = new Map([
  ['SHA256SUMS', 'sha256'],
  ['MD5SUMS', 'md5'],
]);

/** The digest of a checksum list by its name; undefined for a file that is none. */
export function sumsDigestOf(name: string): DigestName | undefined {
  return checksumFiles.get(name);
}

/** Names and digests of a checksum list; a malformed line is told and ignored (docs/reference/cli.md section 15.1). */
export function* readChecksums(text: string, messages: Context['messages']): Generator<[name: string, sum: string]> {
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, digest, name] = /^([0-9A-Fa-f]+) [ *](.+)$/.exec(line) ?? [];
    if (digest === undefined || name === undefined) messages.warning(`ignoring a malformed line in the checksum list: ${line}`);
    else yield [name.replace(/^\.\//, ''), digest.toLowerCase()];
  }
}
