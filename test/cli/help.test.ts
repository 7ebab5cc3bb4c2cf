import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allCommands } from '../../src/cli/all-commands.ts';
import { nearestWord } from '../../src/shared/nearest-word.ts';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

const opened = new Opened();
let home: TestHome;

beforeAll(async () => {
  home = await opened.add(createTestHome());
});
afterAll(() => opened.close());

describe('help', () => {
  test('of a verb is what --help shows, with examples, and needs no configuration', async () => {
    const asked = await runPgcellar(['help', 'check'], { home, config: false });
    const option = await runPgcellar(['check', '--help'], { home, config: false });
    expect(asked).toMatchObject({ exitCode: 0, stderr: '', stdout: option.stdout });
    expect(asked.stdout).toContain('Examples:\n  pgcellar check main\n');
    const alias = await runPgcellar(['help', 'recover'], { home, config: false });
    expect(alias.stdout).toContain('Usage: pgcellar restore');
  });

  test('of a verb that is none names the one that was meant', async () => {
    const { exitCode, stderr } = await runPgcellar(['help', 'lsit-backups'], { home, config: false });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("'lsit-backups' is not a command; did you mean 'list-backups'?");
  });
});

describe('did you mean', () => {
  test.each([
    { words: ['chekc', 'main'], meant: "did you mean 'check'?" },
    { words: ['backups', 'main'], meant: "did you mean 'backup'?" },
    { words: ['backup', '--wiat', 'main'], meant: 'did you mean --wait?' },
    { words: ['restore', '--targte-time=now', 'main', 'latest', '/x'], meant: 'did you mean --target-time?' },
  ])('$words', async ({ words, meant }) => {
    const { exitCode, stderr } = await runPgcellar(words, { home });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(meant);
  });

  test('is not asked about a word that is like none', async () => {
    expect((await runPgcellar(['frobnicate'], { home })).stderr).not.toContain('did you mean');
    expect((await runPgcellar(['backup', '--frobnicate', 'main'], { home })).stderr).not.toContain('did you mean');
  });

  test('knows two letters that changed places, and never guesses a word for itself', () => {
    const verbs = allCommands.map(({ name }) => name);
    expect(nearestWord('crno', verbs)).toBe('cron');
    expect(nearestWord('x', verbs)).toBeUndefined();
    expect(nearestWord('', verbs)).toBeUndefined();
  });
});
