import { expect, test } from 'vitest';
import { isConninfo } from '../../../src/postgres/conninfo.ts';

test.each([
  'host=pg',
  'host=pg  user=barman dbname = postgres',
  "host=pg password='two words' port=5432",
  String.raw`password='it\'s'`,
  String.raw`password=a\ b`,
  "password='' host=x",
  'host= port=5432',
  'password=',
  'postgresql://barman@pg:5432/postgres?sslmode=require',
  'postgres://pg',
])('libpq can read %s', (text) => {
  expect(isConninfo(text)).toBe(true);
});

test.each(['', '   ', 'pg', 'host', '=x', 'host=pg user', "password='open", "password='a'b", 'postgresql://a b', 'http://pg'])(
  'libpq cannot read "%s"',
  (text) => {
    expect(isConninfo(text)).toBe(false);
  },
);
