import { expect, test } from 'vitest';
import type { Messages } from '../../../src/shared/messages.ts';
import { MessagesInTurn } from '../../../src/shared/messages-in-turn.ts';

function kept(): { readonly told: string[]; readonly messages: Messages } {
  const told: string[] = [];
  const keep = (level: string) => (text: string) => void told.push(`${level} ${text}`);
  const messages = {
    info: keep('info'),
    warning: keep('warning'),
    error: keep('error'),
    exception: keep('exception'),
    debug: keep('debug'),
  };
  return { told, messages };
}

test('the first speaks immediately, the others when all before them are done', () => {
  const { told, messages } = kept();
  const turns = new MessagesInTurn(messages);
  const [first, second, third] = [turns.turn(), turns.turn(), turns.turn()];
  third.messages.info('c');
  second.messages.warning('b');
  first.messages.error('a');
  expect(told).toEqual(['error a']);
  third.done();
  first.done();
  expect(told).toEqual(['error a', 'warning b']);
  second.messages.debug('b again');
  second.done();
  expect(told).toEqual(['error a', 'warning b', 'debug b again', 'info c']);
});

test('a worker that ends before its turn still has its messages', () => {
  const { told, messages } = kept();
  const turns = new MessagesInTurn(messages);
  const [first, second] = [turns.turn(), turns.turn()];
  second.messages.exception('b');
  second.done();
  first.done();
  expect(told).toEqual(['exception b']);
});
