import { expect, test } from 'vitest';
import { declareCommand, OptionValues } from '../../../src/cli/command.ts';

test('a command looks up the options that it declares; another name, or one that only sets the value of another, does not compile', async () => {
  const found: unknown[] = [];
  const command = declareCommand({
    name: 'try',
    summary: '',
    servers: 'none',
    options: [
      { name: 'retry-times', kind: 'count', summary: '' },
      { name: 'no-retry', kind: 'flag', flagValue: 0, sharesWith: 'retry-times', summary: '' },
    ],
    // @ts-expect-error such an option silences nothing
    silencedBy: 'quiet',
    runEarly: async ({ options }) => {
      found.push(options.number('retry-times'));
      // @ts-expect-error it is not declared
      found.push(options.number('retry-time'));
      // @ts-expect-error its value is looked up by the name of the other one
      found.push(options.flag('no-retry'));
      // @ts-expect-error whoever takes the options says which of them
      needsOther(options);
      await Promise.resolve();
    },
  });
  const options = new OptionValues(new Map([['retry-times', 3]]));
  await command.runEarly?.({
    options,
    positionals: [],
    programName: '',
    commands: [],
    places: {} as never,
    print: () => undefined,
  });
  expect(found).toEqual([3, undefined, false]);
});

function needsOther(options: OptionValues<'jobs'>): void {
  options.number('jobs');
}
