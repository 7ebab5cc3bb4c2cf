import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editIni } from '../../../src/config/edit-ini.ts';
import { parseIni } from '../../../src/config/parse-ini.ts';

const edit = (content: string, section = 'main', value = 'new') => editIni(content, { section, key: 'color', value });

describe('setting an option', () => {
  test.each([
    { fact: 'begins a file', before: '', after: '[main]\ncolor = new\n' },
    { fact: 'replaces its line', before: '[main]\ncolor=old\nb = 1\n', after: '[main]\ncolor = new\nb = 1\n' },
    { fact: 'knows a colon and capitals', before: '[main]\nColor : old\n', after: '[main]\ncolor = new\n' },
    {
      fact: 'takes what continues the line with it, and leaves comments',
      before: '[main]\ncolor = a\n  b\n# why\n\n  c\nnext = 1\n',
      after: '[main]\ncolor = new\n# why\nnext = 1\n',
    },
    {
      fact: 'replaces the last of several lines',
      before: '[main]\ncolor=1\ncolor=2\n',
      after: '[main]\ncolor=1\ncolor = new\n',
    },
    {
      fact: 'goes to the end of the section, before the blank lines that follow',
      before: '[main]\na = 1\n\n[next]\nb = 2\n',
      after: '[main]\na = 1\ncolor = new\n\n[next]\nb = 2\n',
    },
    {
      fact: 'never glues two options together, even where sections are adjacent',
      before: '[main]\na = 1\n[next]\nb = 2',
      after: '[main]\na = 1\ncolor = new\n[next]\nb = 2\n',
    },
    {
      fact: 'follows what continues the last option',
      before: '[main]\na = 1\n  2\n',
      after: '[main]\na = 1\n  2\ncolor = new\n',
    },
    {
      fact: 'is as deep as its neighbours',
      before: '  [main]\n  a = 1\n  [b]\n',
      after: '  [main]\n  a = 1\n  color = new\n  [b]\n',
    },
    { fact: 'adds a section at the end', before: '[a]\nb = 1', after: '[a]\nb = 1\n[main]\ncolor = new\n' },
    {
      fact: 'leaves the same option of others alone',
      before: '[a]\ncolor = 1\n[main]\n',
      after: '[a]\ncolor = 1\n[main]\ncolor = new\n',
    },
  ])('$fact', ({ before, after }) => {
    expect(edit(before)).toBe(after);
  });

  test('without a value unsets it', () => {
    expect(edit('[main]\ncolor = old\n', 'main', '')).toBe('[main]\ncolor =\n');
  });
});

const lines = fc.oneof(
  fc.constantFrom(
    '[main]',
    '[other]',
    '  [main]',
    '[DEFAULT]',
    '',
    '   ',
    '# comment',
    '  ; comment',
    '\ttab = 1',
    'a = 1',
    '  a = 2',
  ),
  fc.constantFrom('color = 1', 'COLOR: 2', '  color=3', '  continued', '    deeper', 'b : x'),
);

test('in any file, that option has the value afterwards, and every other option has the one it had', () => {
  fc.assert(
    fc.property(fc.array(lines, { maxLength: 14 }), fc.constantFrom('main', 'other', 'new'), (body, section) => {
      const before = `[main]\n${body.join('\n')}`;
      fc.pre(isReadable(before));
      const after = edit(before, section, 'x = y');
      const [was, is] = [valuesOf(before), valuesOf(after)];
      expect(is.get(`${section} color`)).toBe('x = y');
      for (const [place, value] of was) if (place !== `${section} color`) expect(is.get(place), place).toBe(value);
      expect(is.size).toBe(was.has(`${section} color`) ? was.size : was.size + 1);
      expect(edit(after, section, 'x = y')).toBe(after);
    }),
    { numRuns: 3000 },
  );
});

function isReadable(content: string): boolean {
  try {
    parseIni(content, 'file');
    return true;
  } catch {
    return false;
  }
}

function valuesOf(content: string): ReadonlyMap<string, string> {
  const { sections } = parseIni(content, 'file');
  return new Map(
    [...sections].flatMap(([section, entries]) =>
      [...entries].map(([key, { text }]): [string, string] => [`${section} ${key}`, text]),
    ),
  );
}
