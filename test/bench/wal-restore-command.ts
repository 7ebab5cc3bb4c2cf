import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { namesIn } from '../helpers/archived-wals.ts';
import { requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { helperOf, openShipSite, type ShipSite, type Whose } from '../helpers/ship-site.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { type BenchTable, type Contender, measureInTurn, type Target } from './measure.ts';
import { PgBackRest } from './pgbackrest.ts';

/** One call of `restore_command`: on the backup host itself, over ssh, and for a segment that was fetched ahead. */
export async function benchRestoreCommand(segments: readonly string[], base: string, runs: number): Promise<BenchTable> {
  const opened = new Opened();
  try {
    const ours = await opened.add(openFilled('ours', segments));
    const theirs = await opened.add(openFilled('real Barman', segments));
    const name = basename(segments[1] ?? '');
    const stored = ours.home.server('main', 'wals', name.slice(0, 16), name);
    const local = (program: string, target?: Target): Contender => ({
      work: async (meter) => {
        const { env, cwd } = ours.command([]);
        const argv = [program, '-c', ours.home.configFile, 'get-wal', 'main', name];
        await meter.run({ argv, env, cwd, stdout: join(cwd, 'pg_wal', 'RECOVERYXLOG') });
      },
      ...(target === undefined ? {} : { target }),
    });
    const remote = async (site: ShipSite, whose: Whose): Promise<Contender> => {
      const program = await helperOf(site, 'wal-restore', whose);
      return {
        work: async (meter) => await meter.run(site.command([program, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG'])),
      };
    };
    const contenders: Record<string, Contender> = {
      cp: { work: async (meter) => await meter.run({ ...ours.command([]), argv: ['cp', stored, 'pg_wal/RECOVERYXLOG'] }) },
      'pgcellar get-wal': local(await programPath(ours.home), { atMostMs: 70 }),
      'Barman get-wal': local(requireOracle().program),
      'pgcellar-wal-restore, over ssh': await remote(ours, 'ours'),
      'barman-wal-restore, over ssh': await remote(theirs, 'real Barman'),
      ...(await getting(ours, segments, base)),
      'pgcellar-wal-restore, fetched ahead': { ...(await fetchedAhead(ours, name, segments)), target: { atMostMs: 10 } },
    };
    const removing = Object.entries(contenders).map(([label, { prepare, ...contender }]) => {
      const prepareFirst = async (): Promise<void> => {
        await prepare?.();
        await removeRestored(ours, theirs);
      };
      return [label, { ...contender, prepare: prepareFirst }] as const;
    });
    const title = 'restore_command, one segment';
    return await measureInTurn({ title, opponent: 'cp', runs: Math.max(runs, 7) }, Object.fromEntries(removing));
  } finally {
    await opened.close();
  }
}

/** PostgreSQL does so itself before it calls the command, so nobody has to free the 16 MiB of the time before. */
async function removeRestored(...sites: readonly ShipSite[]): Promise<void> {
  for (const { data } of sites) await rm(join(data, 'pg_wal', 'RECOVERYXLOG'), { force: true });
}

/** pgBackRest, from a repository on this host. @param base data folder of the cluster that the segments are of */
async function getting(
  { home, data }: ShipSite,
  segments: readonly string[],
  base: string,
): Promise<Readonly<Record<string, Contender>>> {
  const backRest = await PgBackRest.findForWal(base, home.folder);
  if (backRest === undefined) return {};
  for (const path of segments) await runProgram(backRest.command(base, '--compress-type=none', 'archive-push', path));
  const words = ['archive-get', basename(segments[1] ?? ''), join(data, 'pg_wal', 'RECOVERYXLOG')];
  const { env = {} } = settingsOf({ home });
  return {
    'pgBackRest archive-get': { work: async (meter) => await meter.run({ argv: backRest.command(base, ...words), env }) },
  };
}

async function openFilled(whose: Whose, segments: readonly string[]): Promise<ShipSite> {
  const site = await openShipSite(whose);
  const incoming = await site.home.makeFolder('home/main/incoming');
  for (const path of segments) await copyFile(path, join(incoming, basename(path)));
  await runWell(['archive-wal', 'main'], { home: site.home });
  const head = (await readFile(segments[0] ?? '')).subarray(24, 32); // the control file begins with the same system identifier
  await writeFile(join(site.data, 'global', 'pg_control'), head);
  return site;
}

/** Each time anew: the segment before it is fetched, and then it waits. */
async function fetchedAhead(site: ShipSite, name: string, segments: readonly string[]): Promise<Contender> {
  const program = await helperOf(site, 'wal-restore');
  const spool = await site.home.makeFolder('spool');
  const words = (wanted: string) => [
    program,
    '-p',
    '4',
    '--spool-dir',
    spool,
    '127.0.0.1',
    'main',
    wanted,
    'pg_wal/RECOVERYXLOG',
  ];
  return {
    prepare: async () => {
      await site.run(words(basename(segments[0] ?? '')));
      await waitFor('it waits', async () => {
        const [folder = 'none'] = await readdir(spool);
        const waiting = await namesIn(join(spool, folder, 'ready'));
        return waiting.length === 4 && waiting.includes(name); // four wait from the time before, too, but not the one that was taken
      });
    },
    work: async (meter) => await meter.run(site.command(words(name))),
  };
}
