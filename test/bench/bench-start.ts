import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';
import { type Contender, measureInTurn, tableOf } from './measure.ts';

/** What it costs to start: bare Node against the commands that run most often. */
export async function benchStart(): Promise<string> {
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  await using home = await createTestHome({ servers: { main: server } });
  await writeCatalog(home, 'main');
  const program = await programPath(home);
  const call = (...argv: string[]): Contender => ({
    work: async () => {
      const { exitCode, stderr } = await runProgram(argv, settingsOf({ home }));
      if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${String(exitCode)}: ${stderr}`);
    },
  });
  const measured = await measureInTurn(
    {
      'node -e 0': call(process.execPath, '-e', '0'),
      'pgcellar --version': call(program, '--version'),
      'pgcellar list-servers': call(program, '-c', home.configFile, 'list-servers'),
      'pgcellar list-backups': call(program, '-c', home.configFile, 'list-backups', 'main'),
      'pgcellar show-backup': call(program, '-c', home.configFile, 'show-backup', 'main', writtenBackups.weekly),
      'pgcellar get-wal': call(program, '-c', home.configFile, 'get-wal', 'main', '000000010000000000000002'),
      'Barman list-backups': call(requireOracle().program, '-c', home.configFile, 'list-backups', 'main'),
      'Barman get-wal': call(requireOracle().program, '-c', home.configFile, 'get-wal', 'main', '000000010000000000000002'),
    },
    { runs: 9 },
  );
  return tableOf('Start', measured, 'node -e 0');
}
