import { expect, test } from 'vitest';
import { ProgressLine } from '../../../src/output/progress-line.ts';
import { KeptStream } from './samples.ts';

const mebibyte = 1024 ** 2;

function lineOf(columns = 100) {
  const stream = Object.assign(new KeptStream(), { columns });
  const clock = { now: 0, elapsedMs: () => clock.now };
  return { progress: new ProgressLine({ terminal: stream, clock }), stream, clock };
}

test('a stage shows how far it is, how fast, and how long it will take', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'copying', totalBytes: 300 * mebibyte });
  clock.now = 3000;
  progress.advance(123 * mebibyte);
  expect(stream.writes).toEqual([
    '\rcopying  0%  0 B of 300.0 MiB\u001B[K',
    '\rcopying  41%  123.0 MiB of 300.0 MiB  41.0 MiB/s  4 seconds left\u001B[K',
  ]);
});

test('the time left is told when something is known about it: after a percent, or ten seconds', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'copying', totalBytes: 300 * mebibyte });
  clock.now = 1000;
  progress.advance(mebibyte);
  expect(stream.writes.at(-1)).toBe('\rcopying  0%  1.0 MiB of 300.0 MiB  1.0 MiB/s\u001B[K');
  clock.now = 10_000;
  progress.advance(2 * mebibyte);
  expect(stream.writes.at(-1)).toBe('\rcopying  0%  2.0 MiB of 300.0 MiB  204.8 KiB/s  24 minutes, 50 seconds left\u001B[K');
});

test('without a total there is no percentage', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'copying' });
  clock.now = 1000;
  progress.advance(mebibyte);
  expect(stream.writes.at(-1)).toBe('\rcopying  1.0 MiB  1.0 MiB/s\u001B[K');
});

test('more than the total is still a hundred percent', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'copying', totalBytes: 1024 });
  clock.now = 1000;
  progress.advance(2048);
  expect(stream.writes.at(-1)).toBe('\rcopying  100%  2.0 KiB of 1.0 KiB  2.0 KiB/s\u001B[K');
});

test('it is drawn at most five times a second', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'copying' });
  for (clock.now = 0; clock.now < 1000; clock.now += 10) progress.advance(clock.now);
  expect(stream.writes).toHaveLength(5);
});

test('it is narrower than the terminal', () => {
  const { progress, stream } = lineOf(10);
  progress.begin({ label: 'a label that is longer' });
  expect(stream.writes).toEqual(['\ra label t\u001B[K']);
});

test('it is gone when the stage ends, once', () => {
  const { progress, stream } = lineOf();
  progress.begin({ label: 'copying' });
  progress.end();
  progress.end();
  progress.advance(1);
  expect(stream.writes.slice(1)).toEqual(['\r\u001B[K']);
});

test('a new stage ends the one that is open', () => {
  const { progress, stream } = lineOf();
  progress.begin({ label: 'one' });
  progress.begin({ label: 'two' });
  expect(stream.writes).toEqual(['\rone  0 B\u001B[K', '\r\u001B[K', '\rtwo  0 B\u001B[K']);
});

test('a line that was hidden for a message is drawn again by the next step', () => {
  const { progress, stream, clock } = lineOf();
  progress.begin({ label: 'one' });
  progress.hide();
  clock.now = 300;
  progress.advance(1);
  expect(stream.writes).toEqual(['\rone  0 B\u001B[K', '\r\u001B[K', '\rone  1 B  3 B/s\u001B[K']);
});
