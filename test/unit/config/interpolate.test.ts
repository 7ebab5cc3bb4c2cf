import fc from 'fast-check';
import { expect, test } from 'vitest';
import { interpolate } from '../../../src/config/interpolate.ts';

const options = new Map([
  ['home', '/var/lib/barman'],
  ['wals', '%(home)s/wals'],
  ['loop', '%(loop)s'],
]);
const lookup = (name: string): string | undefined => options.get(name);

test.each([
  { text: '%(home)s/x', expanded: '/var/lib/barman/x' },
  { text: '%(HOME)s', expanded: '/var/lib/barman' },
  { text: '%(wals)s', expanded: '/var/lib/barman/wals' },
  { text: '100%%', expanded: '100%' },
  { text: '%%%%(home)s', expanded: '%%(home)s' },
  { text: 'date +%Y-%m', expanded: 'date +%Y-%m' },
  { text: '%(home', expanded: '%(home' },
])('$text becomes $expanded', ({ text, expanded }) => {
  expect(interpolate(text, lookup)).toEqual({ text: expanded, unknown: [] });
});

test('a name that nothing explains stays and is named', () => {
  expect(interpolate('%(other)s/x', lookup)).toEqual({ text: '%(other)s/x', unknown: ['other'] });
});

test('an option that refers to itself ends', () => {
  expect(interpolate('%(loop)s', lookup).text).toBe('%(loop)s');
});

test('a percent sign written four times survives both passes', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const written = text.replaceAll('%', '%%%%');
      expect(interpolate(interpolate(written, lookup).text, lookup).text).toBe(text);
    }),
  );
});
