import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';
import { type Bench, type BenchTable, type Contender, measureInTurn, type Target } from './measure.ts';

const bareNode = 'node -e 0';

/** What it costs to start: bare Node against the commands that run most often. */
export const startBench: Bench = {
  name: 'start',
  run: async ({ runs }) => [await benchStart(Math.max(runs, 9))],
};

async function benchStart(runs: number): Promise<BenchTable> {
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  await using home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
  const program = await programPath(home);
  const barman = requireOracle().program;
  const { env = {} } = settingsOf({ home });
  const call = (argv: readonly string[], target?: Target): Contender => ({
    work: async (meter) => await meter.run({ argv, env }),
    ...(target === undefined ? {} : { target }),
  });
  const withConfig = (command: string, ...words: string[]) => [command, '-c', home.configFile, ...words];
  const twice: Target = { atMost: 2, timesThatOf: bareNode };
  const segment = '000000010000000000000002';
  return await measureInTurn(
    { title: 'Start', opponent: bareNode, runs },
    {
      [bareNode]: call([process.execPath, '-e', '0']),
      'pgcellar --version': call([program, '--version'], { atMost: 1.3, timesThatOf: bareNode }),
      'pgcellar list-servers': call(withConfig(program, 'list-servers'), twice),
      'pgcellar list-backups': call(withConfig(program, 'list-backups', 'main'), twice),
      'pgcellar show-backup': call(withConfig(program, 'show-backup', 'main', writtenBackups.weekly), twice),
      'pgcellar get-wal': call(withConfig(program, 'get-wal', 'main', segment)),
      'Barman --version': call([barman, '--version']),
      'Barman list-backups': call(withConfig(barman, 'list-backups', 'main')),
      'Barman get-wal': call(withConfig(barman, 'get-wal', 'main', segment)),
    },
  );
}
