import { describe, expect, test } from 'vitest';
import { ConsoleWriter } from '../../../src/output/console-writer.ts';
import { JsonWriter } from '../../../src/output/json-writer.ts';
import { tellFailure, type Writer } from '../../../src/output/writer.ts';
import type { Log } from '../../../src/shared/log.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';
import { KeptStream } from './samples.ts';

class KeptLog implements Log {
  readonly lines: string[] = [];
  debug(text: string): void {
    this.lines.push(`DEBUG ${text}`);
  }
  info(text: string): void {
    this.lines.push(`INFO ${text}`);
  }
  warning(text: string): void {
    this.lines.push(`WARNING ${text}`);
  }
  error(text: string): void {
    this.lines.push(`ERROR ${text}`);
  }
  named(): Log {
    return this;
  }
}

function consoleOf(settings: { hasColour?: boolean; isQuiet?: boolean; isDebug?: boolean; beforeWriting?: () => void } = {}) {
  const [stdout, stderr, log] = [new KeptStream(), new KeptStream(), new KeptLog()];
  const writer = new ConsoleWriter({
    voice: 'own',
    stdout,
    stderr,
    log,
    hasColour: false,
    isQuiet: false,
    isDebug: false,
    ...settings,
  });
  return { writer, stdout, stderr, log };
}

function jsonOf(settings: { isQuiet?: boolean; isDebug?: boolean } = {}) {
  const [stdout, log] = [new KeptStream(), new KeptLog()];
  return { writer: new JsonWriter({ voice: 'own', stdout, log, isQuiet: false, isDebug: false, ...settings }), stdout, log };
}

function tellEverything(writer: Writer): void {
  writer.info('i');
  writer.warning('w');
  writer.error('e');
  writer.exception('x');
  writer.debug('d');
  writer.print({ lines: ['one', 'two'], json: { pg1: { a: 1 } } });
}

const everythingLogged = ['INFO i', 'WARNING w', 'ERROR e', 'ERROR x', 'DEBUG d'];

describe('the console', () => {
  test('shows results and information on stdout, the rest on stderr, one write each', () => {
    const { writer, stdout, stderr, log } = consoleOf();
    tellEverything(writer);
    expect(stdout.writes).toEqual(['i\n', 'one\ntwo\n']);
    expect(stderr.writes).toEqual(['WARNING: w\n', 'ERROR: e\n', 'EXCEPTION: x\n']);
    expect(log.lines).toEqual(everythingLogged);
  });

  test('shows what came from outside as text, on lines that are ours', () => {
    for (const hasColour of [false, true]) {
      const { writer, stdout, stderr } = consoleOf({ hasColour });
      const forged = '\u001B[2J\u0001 32\u0002x\n\tPostgreSQL: OK\u009B\u202E';
      const shown = String.raw`\x1b[2J\x01 32\x02x\n${'\t'}PostgreSQL: OK\x9b\u202e`;
      writer.info(forged);
      writer.warning([forged, 'second line of ours']);
      writer.error(`the server says ${forged}`);
      tellFailure(writer, new OperatorError('query-failed', forged, { hint: forged }), new KeptLog());
      writer.print({ lines: [`${forged}: ${writer.colours.ok('OK')}`, 'b'], json: {} });
      const [before, after] = hasColour ? ['\u001B[33m', '\u001B[0m'] : ['', ''];
      expect(stdout.writes[0]).toBe(`${shown}\n`);
      expect(stdout.writes.at(-1)).toBe(`${shown}: ${hasColour ? '\u001B[32mOK\u001B[0m' : 'OK'}\nb\n`);
      expect(stderr.writes[0]).toBe(`${before}WARNING: ${shown}\nsecond line of ours${after}\n`);
      expect(stderr.writes.join('')).toContain(`HINT: ${shown}\n`);
      expect(stderr.writes.join('').match(/^\tPostgreSQL/m)).toBeNull();
    }
  });

  test('shows debug messages when asked to', () => {
    const { writer, stderr } = consoleOf({ isDebug: true });
    writer.debug('d');
    expect(stderr.writes).toEqual(['DEBUG: d\n']);
  });

  test('keeps stdout empty when quiet, and logs all the same', () => {
    const { writer, stdout, stderr, log } = consoleOf({ isQuiet: true });
    tellEverything(writer);
    expect(stdout.writes).toEqual([]);
    expect(stderr.writes).toHaveLength(3);
    expect(log.lines).toEqual(everythingLogged);
  });

  test('shows nothing when silenced, and still knows that it failed', () => {
    const { writer, stdout, stderr } = consoleOf();
    writer.silence();
    tellEverything(writer);
    expect([...stdout.writes, ...stderr.writes]).toEqual([]);
    expect(writer.hasFailed).toBe(true);
  });

  test('colours warnings yellow and errors red, before the end of the line', () => {
    const { writer, stdout, stderr } = consoleOf({ hasColour: true });
    tellEverything(writer);
    expect(stderr.writes).toEqual([
      '\u001B[33mWARNING: w\u001B[0m\n',
      '\u001B[31mERROR: e\u001B[0m\n',
      '\u001B[31mEXCEPTION: x\u001B[0m\n',
    ]);
    expect(stdout.writes).toEqual(['i\n', 'one\ntwo\n']);
  });

  test('blanks a password and keeps the end of the line', () => {
    const { writer, stdout } = consoleOf();
    writer.info('host=x password=secret');
    writer.print({ lines: ['conninfo: password=secret', 'next'], json: {} });
    expect(stdout.writes).toEqual(['host=x password=*REDACTED*\n', 'conninfo: password=*REDACTED*\nnext\n']);
  });

  test('writes nothing for an empty report', () => {
    const { writer, stdout } = consoleOf();
    writer.print({ lines: [], json: {} });
    expect(stdout.writes).toEqual([]);
  });

  test('takes the progress line away before each write', () => {
    let hidden = 0;
    const { writer } = consoleOf({ beforeWriting: () => hidden++ });
    writer.info('i');
    writer.warning('w');
    expect(hidden).toBe(2);
  });
});

describe('JSON', () => {
  test('is one sorted object at the end, without a newline', () => {
    const { writer, stdout, log } = jsonOf();
    tellEverything(writer);
    expect(stdout.writes).toEqual([]);
    writer.finish();
    writer.finish();
    expect(stdout.writes).toEqual([
      '{"_ERROR": ["e"], "_EXCEPTION": ["x"], "_INFO": ["i"], "_WARNING": ["w"], "pg1": {"a": 1}}',
    ]);
    expect(log.lines).toEqual(everythingLogged);
  });

  test.each([
    { fact: 'is an empty object when nothing was told', settings: {}, text: ['{}'] },
    { fact: 'is nothing at all when quiet', settings: { isQuiet: true }, text: [] },
  ])('$fact', ({ settings, text }) => {
    const { writer, stdout } = jsonOf(settings);
    writer.finish();
    expect(stdout.writes).toEqual(text);
  });

  test('has debug messages when asked to', () => {
    const { writer, stdout } = jsonOf({ isDebug: true });
    writer.debug('d');
    writer.finish();
    expect(stdout.writes).toEqual(['{"_DEBUG": ["d"]}']);
  });

  test('merges reports on the same server, and messages within a report', () => {
    const { writer, stdout } = jsonOf();
    writer.info('first');
    writer.print({ lines: [], json: { pg1: { a: 1 }, _INFO: ['second'] } });
    writer.print({ lines: [], json: { pg1: { b: 2 }, pg2: [1] } });
    writer.finish();
    expect(stdout.writes).toEqual(['{"_INFO": ["first", "second"], "pg1": {"a": 1, "b": 2}, "pg2": [1]}']);
  });
});

describe.each([
  { name: 'the console', writerOf: consoleOf },
  { name: 'JSON', writerOf: jsonOf },
])('$name', ({ writerOf }) => {
  test.each<{ fact: string; tell: (writer: Writer) => void; hasFailed: boolean }>([
    { fact: 'an error is a failure', tell: (writer) => writer.error('e'), hasFailed: true },
    { fact: 'an exception is a failure', tell: (writer) => writer.exception('x'), hasFailed: true },
    { fact: 'a warning is none', tell: (writer) => writer.warning('w'), hasFailed: false },
  ])('$fact', ({ tell, hasFailed }) => {
    const { writer } = writerOf();
    tell(writer);
    expect(writer.hasFailed).toBe(hasFailed);
  });

  test('a message that must not be logged is not logged', () => {
    const { writer, log } = writerOf();
    writer.info('i', { logged: false });
    writer.warning('w', { logged: false });
    writer.error('e', { logged: false });
    expect(log.lines).toEqual([]);
  });
});

describe('a failure that ends a command', () => {
  const expected = new OperatorError('unknown-backup', 'no such backup', { hint: 'list them' });

  test('has its hint on a line of its own on the console', () => {
    const { writer, stderr, log } = consoleOf();
    tellFailure(writer, expected, log);
    tellFailure(writer, new OperatorError('unknown-backup', 'no hint'), log);
    expect(stderr.writes).toEqual(['ERROR: no such backup\n', 'HINT: list them\n', 'ERROR: no hint\n']);
    expect(log.lines).toEqual(['ERROR no such backup (list them)', 'ERROR no hint']);
  });

  test('has its hint in brackets in JSON', () => {
    const { writer, stdout, log } = jsonOf();
    tellFailure(writer, expected, log);
    writer.finish();
    expect(stdout.writes).toEqual(['{"_ERROR": ["no such backup (list them)"]}']);
    expect(log.lines).toEqual(['ERROR no such backup (list them)']);
  });

  test('is an exception with its trace in the log when nobody expected it', () => {
    const { writer, stderr, log } = consoleOf();
    tellFailure(writer, new TypeError('boom'), log);
    expect(stderr.writes).toEqual(['EXCEPTION: boom\nSee log file for more details.\n']);
    expect(log.lines[1]).toMatch(/^ERROR TypeError: boom\n +at /);
  });
});
