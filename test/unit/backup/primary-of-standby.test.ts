import { expect, test } from 'vitest';
import { closeSegmentsUntil } from '../../../src/backup/primary-of-standby.ts';
import type { Connection } from '../../../src/postgres/connect.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';

/** What was asked of the primary, and how long it was waited in between. */
function aPrimary(answer: (sql: string) => string = () => '0/1000000') {
  const story: string[] = [];
  const primary: Connection = {
    query: (sql) => {
      if (/pg_switch_wal|CHECKPOINT/.test(sql)) story.push(sql.replace('SELECT ', ''));
      return Promise.resolve([{ value: answer(sql) }]);
    },
    lost: new AbortController().signal,
    node: { entry: { host: 'db', hostaddr: '', port: 5432 }, address: undefined },
    keyPid: undefined,
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const clock: Clock = {
    now: () => new Date(0),
    elapsedMs: () => 0,
    sleep: (ms, signal) => {
      if (signal?.aborted === true) return Promise.reject(new Error('aborted'));
      story.push(`${String(ms / 1000)} s`);
      return Promise.resolve();
    },
  };
  const told: string[] = [];
  const tell = (text: string): void => {
    told.push(text);
  };
  const messages = { info: tell, warning: tell, error: tell, exception: tell, debug: tell };
  return { primary, story, told, context: { clock, messages } };
}

const tenSwitches = Array.from({ length: 10 }, () => ['pg_switch_wal()', '10 s']).flat();

test('a primary closes ten segments, ten seconds apart', async () => {
  const { primary, story, context } = aPrimary();
  await closeSegmentsUntil(primary, { context, checkpointAfterSeconds: 0 }, new AbortController().signal);
  expect(story).toEqual(tenSwitches);
});

test('after primary_checkpoint_timeout it closes one more, behind a checkpoint', async () => {
  const { primary, story, told, context } = aPrimary();
  await closeSegmentsUntil(primary, { context, checkpointAfterSeconds: 30 }, new AbortController().signal);
  expect(story).toEqual([...tenSwitches, '30 s', 'CHECKPOINT', 'pg_switch_wal()']);
  expect(told).toEqual(['The standby still waits for WAL: a checkpoint on the primary follows in 30 s']);
});

test('it closes no more when the backup has ended', async () => {
  const { primary, story, told, context } = aPrimary();
  await closeSegmentsUntil(primary, { context, checkpointAfterSeconds: 30 }, AbortSignal.abort());
  expect({ story, told }).toEqual({ story: ['pg_switch_wal()'], told: [] });
});

test('a role that may close none is told so, and the backup goes on waiting', async () => {
  const { primary, told, context } = aPrimary((sql) => {
    if (sql.includes('pg_switch_wal')) throw new OperatorError('query-failed', 'permission denied for function pg_switch_wal');
    return '0/1000000';
  });
  await closeSegmentsUntil(primary, { context, checkpointAfterSeconds: 0 }, new AbortController().signal);
  expect(told).toEqual(['no WAL segment can be closed on the primary: permission denied for function pg_switch_wal']);
});
