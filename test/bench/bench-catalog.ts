import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { type CatalogSize, largeCatalogIds, writeLargeCatalog } from '../helpers/write-large-catalog.ts';
import { type Bench, type BenchOptions, type BenchTable, type Contender, measureInTurn, type Target } from './measure.ts';

const small: CatalogSize = { backups: 100, segments: 10_000 };
const medium: CatalogSize = { backups: 1000, segments: 100_000 };
const large: CatalogSize = { backups: 10_000, segments: 1_000_000, withWalFiles: true };
const listBackups = 'pgcellar list-backups';

/** What reading the catalog costs, and how that grows with it. */
export const catalogBench: Bench = {
  name: 'catalog',
  run: async ({ runs, isFull }) => [
    await benchCatalog(small, { runs, isFull }, { barmanRuns: Math.min(3, runs), listing: undefined }),
    await benchCatalog(medium, { runs, isFull }, { barmanRuns: isFull ? 1 : 0, listing: { atMostMs: 500 } }),
    await benchCatalog(large, { runs, isFull }, { barmanRuns: 0, listing: { atMostMs: 1000, atMostBytes: 300e6 } }),
  ],
};

interface Expected {
  /** How often Barman, which reads the index once for every backup, is waited for. */
  readonly barmanRuns: number;
  readonly listing: Target | undefined;
}

async function benchCatalog(size: CatalogSize, { runs }: BenchOptions, { barmanRuns, listing }: Expected): Promise<BenchTable> {
  const { backups, segments } = size;
  const server = {
    conninfo: 'host=127.0.0.1 port=1',
    archiver: true,
    backup_method: 'postgres',
    retention_policy: `REDUNDANCY ${String(2 * backups)}`,
  };
  await using home = await createTestHome({ servers: { main: server }, global: { log_level: 'INFO' } });
  await writeLargeCatalog(home, 'main', size);
  const title = `Catalog of ${backups.toLocaleString('en')} backups and ${segments.toLocaleString('en')} WAL segments`;
  const ours = await contendersOf(home, size, listing);
  if (barmanRuns === 0) return await measureInTurn({ title, runs }, ours);
  const barman = commandOf(home, requireOracle().program, ['list-backups', 'main']);
  const opponent = 'Barman list-backups';
  return await measureInTurn({ title, opponent, runs }, { ...ours, [opponent]: { ...barman, runs: barmanRuns } });
}

async function contendersOf(
  home: TestHome,
  { backups, withWalFiles = false }: CatalogSize,
  listing: Target | undefined,
): Promise<Record<string, Contender>> {
  const program = await programPath(home);
  const ids = largeCatalogIds(backups);
  const within2s = { target: { atMostMs: 2000 } };
  const call = (...words: string[]) => commandOf(home, program, words);
  const target = listing === undefined ? {} : { target: listing };
  const rebuild = { ...call('rebuild-xlogdb', 'main'), target: { atMostMs: 60_000 } };
  return {
    [listBackups]: { ...call('list-backups', 'main'), ...target },
    'pgcellar -f json list-backups': { ...call('-f', 'json', 'list-backups', 'main'), ...target },
    'pgcellar list-backups, a line was added': { ...call('list-backups', 'main'), prepare: async () => await addLine(home) },
    'pgcellar list-backups, the index was rewritten': {
      ...call('list-backups', 'main'),
      prepare: async () => await rewrite(home),
    },
    'pgcellar show-backup': { ...call('show-backup', 'main', ids[backups >> 1] ?? ''), ...within2s },
    'pgcellar check': { ...call('check', 'main'), ...within2s },
    'pgcellar cron': { ...call('cron'), ...within2s },
    'pgcellar status': { ...call('status', 'main'), ...within2s },
    'pgcellar list-files --target wal': call('list-files', '--target', 'wal', 'main', ids[backups >> 1] ?? ''),
    ...(withWalFiles ? { 'pgcellar rebuild-xlogdb': rebuild } : {}),
  };
}

/** The server does not run, so checks and status end with 1: they do the same work all the same. */
function commandOf(home: TestHome, program: string, words: readonly string[]): Contender {
  const { env = {} } = settingsOf({ home });
  return {
    work: async (meter) => await meter.run({ argv: [program, '-c', home.configFile, ...words], env, exitCodes: [0, 1] }),
  };
}

/** What an archived segment does to the index; the same one again changes nothing else. */
async function addLine(home: TestHome): Promise<void> {
  await appendFile(indexPath(home), '000000010000000000000001\t5000000\t1704067200.0\tNone\n');
}

async function rewrite(home: TestHome): Promise<void> {
  await writeFile(indexPath(home), await readFile(indexPath(home)));
}

function indexPath(home: TestHome): string {
  return home.server('main', 'wals', 'main-xlog.db');
}
