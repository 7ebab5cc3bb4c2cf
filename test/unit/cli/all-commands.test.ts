import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { allCommands, findCommand, laterCommands } from '../../../src/cli/all-commands.ts';
import { helpOf, parseArguments } from '../../../src/cli/parse-arguments.ts';
import { programHelp } from '../../../src/cli/program-help.ts';
import { splitWords } from '../../../src/shared/shell-words.ts';

const folder = new URL('../../../src/cli/commands', import.meta.url);

test('every command of the folder is in the list', async () => {
  expect(allCommands.map(({ name }) => name)).toEqual(
    (await readdir(folder)).map((file) => file.replace(/\.ts$/, '')).toSorted(),
  );
});

test.each(allCommands.map(({ name }) => name))(
  'the declaration of %s is loaded by name and aliases, and has a help',
  async (name) => {
    const listed = findCommand(name)!;
    const declaration = await listed.load();
    expect(declaration.name).toBe(name);
    expect(declaration.aliases ?? []).toEqual(listed.aliases);
    for (const alias of listed.aliases) expect(findCommand(alias)).toBe(listed);
    expect(helpOf(declaration, 'pgcellar').replaceAll(/\s+/g, ' ')).toContain(declaration.summary);
  },
);

test.each(allCommands.map(({ name }) => name))('the help of %s has examples that the parser takes', async (name) => {
  const { examples = [], ...declaration } = await findCommand(name)!.load();
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) {
    const words = splitWords(example.replace(/ *[<>].*$/, '')).filter((word) => word !== '-q');
    expect(words[0]).toBe(name);
    expect(() => parseArguments(words.slice(1), declaration, 'pgcellar')).not.toThrow();
  }
});

test('no two options of a command have one spelling', async () => {
  for (const { load } of allCommands) {
    const { name, options = [] } = await load();
    const spellings = options.flatMap((option) => [
      `--${option.name}`,
      ...(option.short === undefined ? [] : [`-${option.short}`]),
      ...(option.aliases ?? []),
    ]);
    expect(new Set([...spellings, '--help', '-h']).size, name).toBe(spellings.length + 2);
  }
});

test('verbs cannot be abbreviated, and what is not built yet is not built', () => {
  expect(findCommand('list-b')).toBeUndefined();
  expect(findCommand('recover')?.name).toBe('restore');
  for (const verb of laterCommands) expect(findCommand(verb)).toBeUndefined();
});

test('the help of the program names every verb', async () => {
  const help = await programHelp('pgcellar');
  for (const { name, aliases } of allCommands) expect(help).toContain(`  ${[name, ...aliases].join(', ')}`);
  for (const verb of laterCommands) expect(help).toContain(` ${verb}`);
});
