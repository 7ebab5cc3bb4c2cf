import { expect, test } from 'vitest';
import { AnswerLimits } from '../../../src/postgres/answer-limits.ts';
import { serverMessage } from '../../helpers/start-meddler.ts';

const row = serverMessage('D', Buffer.alloc(1 << 20));
const ready = serverMessage('Z', Buffer.from('I'));

/** Begins a message of that length. */
function begun(length: number): Buffer {
  const head = Buffer.alloc(5);
  head.write('D');
  head.writeUInt32BE(length, 1);
  return head;
}

test('answers in pieces of any length pass, however many there are', () => {
  const limits = new AnswerLimits();
  const bytes = Buffer.concat([serverMessage('T', Buffer.from('columns')), serverMessage('D', Buffer.from('row')), ready]);
  for (const byte of bytes) limits.add(Buffer.of(byte));
  for (let query = 0; query < 600; query++) limits.add(Buffer.concat([row, ready]));
});

test.each([
  ['a message that is too long', begun(0x7fff_ffff)],
  ['a message whose length is none', begun(3)],
])('%s is refused before any of it came', (_, bytes) => {
  expect(() => new AnswerLimits().add(bytes)).toThrow(/it announces a message of/);
});

test('an answer without an end is refused', () => {
  const limits = new AnswerLimits();
  expect(() => {
    for (let count = 0; count < 300; count++) limits.add(row);
  }).toThrow('its answer has more than 256.0 MiB');
});
