import { expect, test } from 'vitest';
import { formatTable } from '../../bench/format-tables.ts';
import { measureInTurn } from '../../bench/measure.ts';
import { lacksPrograms } from '../../helpers/installations.ts';

const { env } = process;
const sleep = (seconds: string) => ({ argv: ['sleep', seconds], env });

test.skipIf(lacksPrograms('python3'))(
  'contenders take turns, the first round warms up, and what is prepared is not counted',
  async () => {
    const order: string[] = [];
    const contender = (name: string) => ({
      prepare: () => Promise.resolve(void order.push(`prepare ${name}`)),
      work: () => Promise.resolve(void order.push(name)),
    });
    const table = await measureInTurn({ title: 'Nothing', runs: 2 }, { a: contender('a'), b: contender('b') });
    const round = ['prepare a', 'a', 'prepare b', 'b'];
    expect(order).toEqual([...round, ...round, ...round]);
    expect(table.rows.map(({ name, runs }) => ({ name, runs }))).toEqual([
      { name: 'a', runs: 2 },
      { name: 'b', runs: 2 },
    ]);
  },
);

test.skipIf(lacksPrograms('python3'))('time, CPU seconds and memory are those of the program', async () => {
  const busy =
    'const end = process.cpuUsage(); const held = Buffer.alloc(200e6, 1); while (process.cpuUsage(end).user < 3e5) held[0]++';
  const table = await measureInTurn(
    { title: 'Cost', opponent: 'asleep', runs: 1 },
    {
      asleep: { work: async (meter) => await meter.run(sleep('0.2')), target: { atMostMs: 1 } },
      busy: { work: async (meter) => await meter.run({ argv: [process.execPath, '-e', busy], env }) },
    },
  );
  const [asleep, working] = table.rows;
  expect(asleep?.wallMs.median).toBeGreaterThanOrEqual(200);
  expect(asleep?.cpuSeconds.median).toBeLessThan(0.1);
  expect(working?.cpuSeconds.median).toBeGreaterThan(0.25);
  expect(working?.peakBytes.median).toBeGreaterThan(200e6);
  expect(asleep?.target).toEqual({ words: '0.001 s', isReached: false });
  expect(formatTable(table)).toContain('0.001 s: MISSED');
});

test.skipIf(lacksPrograms('python3'))('a program that fails fails the bench, with what it said', async () => {
  const argv = ['sh', '-c', 'echo no such thing >&2; exit 3'];
  const work = measureInTurn({ title: 'Failure', runs: 1 }, { bad: { work: async (meter) => await meter.run({ argv, env }) } });
  await expect(work).rejects.toThrow('ended with 3: no such thing');
});
