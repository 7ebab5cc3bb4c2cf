import { expect, test } from 'vitest';
import { parseGlobalOptions } from '../../../src/cli/parse-global-options.ts';

const parse = (...words: readonly string[]) => parseGlobalOptions(words, 'pgcellar');

test('without options everything is as usual', () => {
  expect(parse('list-servers')).toEqual({
    configPath: undefined,
    colour: 'auto',
    logLevel: undefined,
    isQuiet: false,
    isDebug: false,
    format: 'console',
    asksFor: undefined,
    verb: 'list-servers',
    words: [],
  });
});

test.each([
  [['-c', '/etc/b.conf', 'cron'], { configPath: '/etc/b.conf' }],
  [['-c/etc/b.conf', 'cron'], { configPath: '/etc/b.conf' }],
  [['--config=/etc/b=.conf', 'cron'], { configPath: '/etc/b=.conf' }],
  [['--conf', '/etc/b.conf', 'cron'], { configPath: '/etc/b.conf' }],
  [['-c', 'a', '-c', 'b', 'cron'], { configPath: 'b' }],
  [['-q', 'cron'], { isQuiet: true }],
  [['--qui', 'cron'], { isQuiet: true }],
  [['-d', 'cron'], { isDebug: true }],
  [['-f', 'json', 'cron'], { format: 'json' }],
  [['-fjson', 'cron'], { format: 'json' }],
  [['--colour', 'always', 'cron'], { colour: 'always' }],
  [['--color=never', 'cron'], { colour: 'never' }],
  [['--col=never', 'cron'], { colour: 'never' }],
  [['--log-level', 'DEBUG', 'cron'], { logLevel: 'DEBUG' }],
])('%j is read', (words, found) => {
  expect(parse(...words)).toMatchObject({ ...found, verb: 'cron', words: [] });
});

test('options after the verb belong to the verb', () => {
  expect(parse('-q', 'backup', '-q', '--help', 'main')).toMatchObject({
    isQuiet: true,
    verb: 'backup',
    words: ['-q', '--help', 'main'],
    asksFor: undefined,
  });
});

test.each([
  [['-h'], 'help'],
  [['--help', 'cron'], 'help'],
  [['-v'], 'version'],
  [['-q', '--version'], 'version'],
  [['--vers'], 'version'],
])('%j asks for %s', (words, asksFor) => {
  expect(parse(...words)).toMatchObject({ asksFor });
});

test('there may be no verb at all', () => {
  expect(parse('-q')).toMatchObject({ verb: undefined, words: [] });
});

test.each([
  [['-c'], 'argument -c/--config: expected one argument'],
  [['-f', 'xml'], "argument -f/--format: invalid choice: 'xml' (choose from 'console', 'json')"],
  [
    ['--log-level=debug'],
    "argument --log-level: invalid choice: 'debug' (choose from 'NOTSET', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')",
  ],
  [['--colour', 'blue'], "argument --color/--colour: invalid choice: 'blue'"],
  [['--co', 'x'], 'ambiguous option: --co'],
  [['-x'], 'unrecognized arguments: -x'],
  [['--nonsense'], 'unrecognized arguments: --nonsense'],
  [['-qx'], 'unrecognized arguments: -qx'],
])('%j is told on usage, with exit code 2', (words, message) => {
  expect(() => parse(...words)).toThrow(expect.objectContaining({ code: 'usage', exitCode: 2 }));
  expect(() => parse(...words)).toThrow(message);
});
