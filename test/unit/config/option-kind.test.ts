import { expect, test } from 'vitest';
import {
  absolutePath,
  compressionLevel,
  count,
  encryptionKind,
  flag,
  integer,
  interval,
  nameList,
  type OptionKind,
  oneOf,
  pathOrUrl,
  positive,
  setOf,
  size,
  slotName,
  tablespaceRates,
} from '../../../src/config/option-kind.ts';

const compression = oneOf(['gzip', 'AES256']);
const options = setOf(['a', 'b', 'c'], ['a', 'b']);

interface Case {
  readonly kind: OptionKind<unknown>;
  readonly text: string;
  readonly value: unknown;
}

test.each<Case>([
  { kind: flag, text: 'ON', value: true },
  { kind: flag, text: 't', value: true },
  { kind: flag, text: '0', value: false },
  { kind: flag, text: 'No', value: false },
  { kind: integer, text: '-5', value: -5 },
  { kind: integer, text: '+7', value: 7 },
  { kind: count, text: '0', value: 0 },
  { kind: positive, text: '01', value: 1 },
  { kind: size, text: '100', value: 100 },
  { kind: size, text: '1k', value: 1000 },
  { kind: size, text: '2 Ki', value: 2048 },
  { kind: size, text: '3Ti', value: 3 * 1024 ** 4 },
  { kind: interval, text: '2 HOURS', value: 7200 },
  { kind: interval, text: '1 month', value: 31 * 86_400 },
  { kind: interval, text: ' 3  Weeks ', value: 21 * 86_400 },
  { kind: absolutePath, text: '/x', value: '/x' },
  { kind: pathOrUrl, text: 's3://bucket/prefix', value: 's3://bucket/prefix' },
  { kind: pathOrUrl, text: 'relative/path', value: 'relative/path' },
  { kind: compression, text: 'aes256', value: 'AES256' },
  { kind: options, text: 'C, a,a', value: ['a', 'c'] },
  { kind: nameList, text: 'disk1, disk2', value: ['disk1', 'disk2'] },
  { kind: slotName, text: 'Barman_1', value: 'barman_1' },
  { kind: compressionLevel, text: 'HIGH', value: 'high' },
  { kind: compressionLevel, text: '-3', value: -3 },
  { kind: tablespaceRates, text: 'tbs1:100  t:b:7', value: { tbs1: 100, 't:b': 7 } },
  { kind: encryptionKind, text: 'None', value: undefined },
  { kind: encryptionKind, text: 'gpg', value: 'gpg' },
])('"$text" is read as $value', ({ kind, text, value }) => {
  expect(kind.read(text)).toEqual({ value });
});

test.each<{ readonly kind: OptionKind<unknown>; readonly text: string }>([
  { kind: flag, text: 'maybe' },
  { kind: flag, text: '' },
  { kind: integer, text: '1.5' },
  { kind: count, text: '-1' },
  { kind: positive, text: '0' },
  { kind: positive, text: '-2' },
  { kind: integer, text: '99999999999999999999' },
  { kind: size, text: '1K' },
  { kind: size, text: '-1' },
  { kind: interval, text: '2days' },
  { kind: interval, text: '2 years' },
  { kind: absolutePath, text: 'x' },
  { kind: pathOrUrl, text: 'ftp://host/x' },
  { kind: compression, text: 'lzma' },
  { kind: options, text: 'a,b' },
  { kind: options, text: 'a,,c' },
  { kind: nameList, text: 'a,' },
  { kind: slotName, text: 'has-dash' },
  { kind: compressionLevel, text: 'highest' },
  { kind: tablespaceRates, text: 'tbs1' },
  { kind: encryptionKind, text: 'rot13' },
])('"$text" is refused as $kind.label', ({ kind, text }) => {
  expect(kind.read(text)).toHaveProperty('problem');
});
