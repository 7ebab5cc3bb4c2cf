// A command warns of the servers that it works on, and of what is everybody's.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

const opened = new Opened();
let home: TestHome;

const nowhere = { conninfo: 'host=/nowhere', streaming_conninfo: 'host=/nowhere', backup_method: 'postgres' };

beforeAll(async () => {
  home = await opened.add(
    createTestHome({
      global: { misspelt_global: 1 },
      servers: {
        calm: { ...nowhere, archiver: 'on' },
        odd: { ...nowhere, archiver: 'on', misspelt: 1 },
        bare: nowhere,
      },
    }),
  );
});
afterAll(() => opened.close());

const ofOdd = 'Invalid configuration option "misspelt" ';
const ofBare = "No archiver is on for server 'bare'";
const ofBareAsBarman = "No archiver enabled for server 'bare'";
const ofAll = 'Invalid configuration option "misspelt_global" ';

test.each([
  { words: ['list-backups', 'calm'], warns: [ofAll] },
  { words: ['list-backups', 'odd'], warns: [ofAll, ofOdd] },
  { words: ['list-backups', 'bare'], warns: [ofAll, ofBare] },
  { words: ['list-backups', 'all'], warns: [ofAll, ofOdd, ofBare] },
  { words: ['list-servers'], warns: [ofAll, ofOdd, ofBare] },
  { words: ['get-wal', 'calm', '000000010000000000000001'], warns: [] },
  { words: ['get-wal', 'odd', '000000010000000000000001'], warns: [ofOdd] },
  { words: ['put-wal', '--test', 'calm'], warns: [] },
])('$words', async ({ words, warns }) => {
  for (const as of ['pgcellar', 'barman'] as const) {
    const { stderr } = await runPgcellar(words, { home, as });
    const said = as === 'barman' ? stderr.replace(ofBareAsBarman, ofBare) : stderr;
    expect([ofAll, ofOdd, ofBare].filter((text) => said.includes(text))).toEqual(warns);
  }
});

test('the log has the warnings that get-wal does not print', async () => {
  const before = (await home.log()).length;
  await runPgcellar(['get-wal', 'calm', '000000010000000000000002'], { home });
  const logged = (await home.log()).slice(before);
  expect(logged).toContain(ofAll);
  expect(logged).not.toContain(ofOdd);
});
