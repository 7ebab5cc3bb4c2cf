import { readdir, utimes, writeFile } from 'node:fs/promises';
import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';
import { type Bench, type BenchOptions, type BenchTable, type Contender, measureInTurn } from './measure.ts';

const servers = Array.from({ length: 100 }, (_, number) => `server-${String(number).padStart(2, '0')}`);
const passPerMinute = { atMostMs: 60_000 };

/** One maintenance pass over many servers, without PostgreSQL: what runs every minute. */
export const cronBench: Bench = {
  name: 'cron',
  run: async (options) => [await benchCron(options)],
};

async function benchCron({ runs, isFull }: BenchOptions): Promise<BenchTable> {
  const server = {
    conninfo: 'host=127.0.0.1 port=1',
    archiver: true,
    backup_method: 'postgres',
    retention_policy: 'REDUNDANCY 5',
  };
  await using home = await createTestHome({
    servers: Object.fromEntries(servers.map((name) => [name, server])),
    global: { log_level: 'INFO', compression: '' },
  });
  for (const name of servers) await makeQuietCatalog(home, name);
  const [program, barman] = [await programPath(home), requireOracle().program];
  const arrivals = new Arrivals(home);
  const quiet = (command: string): Contender => ({ work: pass(home, command) });
  const busy = (command: string): Contender => ({ work: pass(home, command), prepare: async () => await arrivals.next() });
  const barmanRuns = isFull ? runs : 1;
  return await measureInTurn(
    { title: `One pass over ${String(servers.length)} servers`, opponent: 'Barman, a segment waits everywhere', runs },
    {
      'pgcellar, nothing waits': { ...quiet(program), target: passPerMinute },
      'pgcellar, a segment waits everywhere': { ...busy(program), target: passPerMinute },
      'Barman, nothing waits': { ...quiet(barman), runs: barmanRuns },
      'Barman, a segment waits everywhere': { ...busy(barman), runs: barmanRuns },
    },
  );
}

/** Until all that the pass started has ended, too; the CPU of that is not counted. */
function pass(home: TestHome, program: string): Contender['work'] {
  const { env = {} } = settingsOf({ home });
  return async (meter) => {
    await meter.run({ argv: [program, '-c', home.configFile, 'cron'], env });
    await meter.during(async () => {
      await waitFor('what cron started ends', async () => (await home.processes()).length === 0, { timeoutMs: 600_000 });
    });
    for (const name of servers) {
      const left = await readdir(home.server(name, 'incoming'));
      if (left.length > 0) throw new Error(`${program} has not archived ${left.join(', ')} of ${name}`);
    }
  };
}

/** The index is newer than the archive: a file in the archive without a line in the index would be work. */
async function makeQuietCatalog(home: TestHome, name: string): Promise<void> {
  await writeCatalog(home, name);
  const [now, later] = [Date.now() / 1000, Date.now() / 1000 + 60];
  for (const folder of await readdir(home.server(name, 'wals'))) {
    const time = folder.endsWith('xlog.db') ? later : now;
    await utimes(home.server(name, 'wals', folder), time, time);
  }
}

/** Small files under the names of segments: what counts here is not the copying. */
class Arrivals {
  readonly #home: TestHome;
  #count = 0;

  constructor(home: TestHome) {
    this.#home = home;
  }

  /** The next segment arrives for every server. */
  async next(): Promise<void> {
    this.#count++;
    const segment = `0000000100000001${this.#count.toString(16).toUpperCase().padStart(8, '0')}`;
    for (const name of servers) await writeFile(this.#home.server(name, 'incoming', segment), `content of ${segment}`);
  }
}
