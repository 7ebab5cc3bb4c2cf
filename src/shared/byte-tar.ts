import { type Extract, extract, type Header } from 'tar-stream';
import { bytesOf, nameOf } from './file-name.ts';

const blockBytes = 512;

/** The way `tar-stream` treats the extended headers of POSIX (pax), which are text to it. */
interface PaxReading {
  _header: Header;
  _pax: Record<string, string> | null;
  _decodeLongHeader(content: Buffer): void;
}

/** Reads a tar stream whose names are bytes: {@link memberName} tells them. */
export function extractBytes(): Extract {
  const archive = extract({ filenameEncoding: 'latin1' } as object); // a letter for each byte
  const reading = archive as unknown as PaxReading;
  const decode = reading._decodeLongHeader.bind(archive);
  reading._decodeLongHeader = (content) => {
    decode(content);
    if (reading._header.type === ('pax-header' as Header['type'])) Object.assign((reading._pax ??= {}), namesIn(content));
  };
  return archive;
}

/** The name of a member of {@link extractBytes}, as `nameOf` gives it. */
export function memberName({ name }: Pick<Header, 'name'>): string {
  return nameOf(Buffer.from(name, 'latin1'));
}

/** Names of an extended header, a letter for each byte. */
function namesIn(content: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < content.length; ) {
    const length = Number(/^(\d{1,9}) /.exec(content.toString('latin1', at, at + 10))?.[1] ?? 0);
    if (length === 0) break;
    const [, key = '', value = ''] = /^\d+ ([^=]+)=(.*)\n$/s.exec(content.toString('latin1', at, at + length)) ?? [];
    if (key === 'path' || key === 'linkpath') found[key] = value;
    at += length;
  }
  return found;
}

/** The extended header before a member whose name or link is not UTF-8, as Python writes it; undefined for any other. */
export function oddNames(names: { readonly path: string; readonly linkpath?: string }): Buffer | undefined {
  const records = Object.entries(names).map(([key, value]) => [key, bytesOf(value)] as const);
  if (records.every(([key, bytes]) => bytes.equals(Buffer.from(names[key as 'path'])))) return undefined;
  const charset = paxRecord('hdrcharset', Buffer.from('BINARY'));
  return paxBlocks(Buffer.concat([charset, ...records.map(([key, bytes]) => paxRecord(key, bytes))]));
}

/** `LENGTH KEY=VALUE\n`, whose length counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** The blocks of an extended header, which goes before the member that is meant. */
function paxBlocks(content: Buffer): Buffer {
  const head = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  const size = octal(content.length, 11);
  head.write('PaxHeader', 0);
  for (const [at, text] of [
    [100, octal(0o644, 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [124, size],
    [136, octal(0, 11)],
    [148, ' '.repeat(8)], // the placeholder of the sum while it is computed
    [156, 'x'],
    [257, 'ustar\0' + '00'],
  ] as const)
    head.write(text, at, 'latin1');
  head.write(
    `${octal(
      head.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
    'latin1',
  );
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return Buffer.concat([head, content, padding]);
}
