import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { publishArrival } from '../../../src/archive/accept-wals.ts';
import { walOf } from '../catalog/a-backup.ts';
import { aCatalog } from '../catalog/a-catalog.ts';
import { stoppedClock } from '../check/check-setup.ts';
import { aContext } from '../restore/restore-context.ts';

const name = walOf('1:2');
const sumOf = (content: string) => createHash('sha256').update(content).digest('hex');

test('of two transfers at the same time neither replaces the other', async () => {
  const contents = Array.from({ length: 8 }, (_, number) => `content ${String(number)}`);
  await using catalog = await aCatalog(
    Object.fromEntries(contents.map((content, at) => [`incoming/.${String(at)}-${name}`, content])),
  );
  const context = aContext({ clock: stoppedClock('2026-01-02T03:04:05Z') });
  const publish = async (content: string, at: number) => {
    const temporary = join(catalog.layout.incoming, `.${String(at)}-${name}`);
    await publishArrival(catalog.layout, { name, temporary, digest: 'sha256', sum: sumOf(content) }, context);
  };
  await Promise.all(contents.map(publish));
  const rejected = await catalog.files('errors');
  const kept = [`incoming/${name}`, ...rejected.map((file) => `errors/${file}`)];
  expect((await Promise.all(kept.map((file) => catalog.read(file)))).toSorted()).toEqual(contents);
});
