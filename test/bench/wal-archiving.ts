import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { namesIn } from '../helpers/archived-wals.ts';
import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { type BenchTable, type Contender, measureInTurn } from './measure.ts';
import { PgBackRest } from './pgbackrest.ts';

interface ArchivingOptions {
  readonly segments: readonly string[];
  /** Empty for none. */
  readonly compression: '' | 'gzip' | 'zstd';
  /** Whose WAL that is. */
  readonly origin: string;
  /** Data folder of the cluster that they are of. */
  readonly base: string;
  readonly runs: number;
}

/** With the level that is `medium` for Barman and for us. */
const programs = { gzip: 'gzip -6', zstd: 'zstd -4' } as const;
const targets = { '': 200, gzip: undefined, zstd: 25 } as const;

/** `archive-wal` of what lies in `incoming`, beside the least that anybody has to do: a synced copy, or the compressing program. */
export async function benchArchiving({ segments, compression, origin, base, runs }: ArchivingOptions): Promise<BenchTable> {
  const main = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres', compression };
  await using home = await createTestHome({ servers: { main } });
  const { env = {} } = settingsOf({ home });
  const sizes: Record<string, number> = {};
  const prepare = async (): Promise<void> => await fillIncoming(home, segments);
  const archive = (name: string, command: string): Contender => ({
    prepare,
    work: async (meter) => {
      await meter.run({ argv: [command, '-c', home.configFile, 'archive-wal', 'main'], env });
      const left = await readdir(home.server('main', 'incoming'));
      if (left.length > 0) throw new Error(`not archived: ${left.join(', ')}`);
      sizes[name] = await sizeOfWals(home);
    },
  });
  const shell = (name: string, line: string): Contender => ({
    prepare,
    work: async (meter) => {
      await meter.run({ argv: ['sh', '-c', `cd "$1" && ${line}`, 'sh', home.server('main')], env });
      sizes[name] = await sizeOfWals(home);
    },
  });
  const least = ((): Record<string, Contender> => {
    if (compression === '') return { 'cp and sync': shell('cp and sync', 'cp -p incoming/* wals && sync wals/*') };
    const [program, label] = [programs[compression], `the program ${programs[compression]}`];
    const each = `for f in incoming/*; do ${program} -q -c "$f" > wals/"\${f#*/}" || exit; done; sync wals/*`;
    return { [label]: shell(label, each) };
  })();
  // 3.13.3 has no zstd on Debian's Python
  const barman: Record<string, Contender> =
    compression === 'zstd' ? {} : { Barman: { ...archive('Barman', requireOracle().program), runs: Math.min(runs, 3) } };
  const backRest = await PgBackRest.findForWal(base, home.folder);
  const [opponent = ''] = Object.keys(least);
  const name = compression === '' ? 'none' : compression;
  const title = `archive-wal of ${String(segments.length)} segments of ${origin}, compression ${name}`;
  const table = await measureInTurn(
    { title, opponent, runs },
    {
      ...least,
      pgcellar: archive('pgcellar', await programPath(home)),
      ...barman,
      ...pushing(backRest, { base, home, compression, prepare }),
    },
  );
  return { ...table, notes: [...rateNotes(table, segments.length, targets[compression]), ...sizeNotes(compression, sizes)] };
}

interface Pushing {
  readonly base: string;
  readonly home: TestHome;
  readonly compression: ArchivingOptions['compression'];
  readonly prepare: () => Promise<void>;
}

/** pgBackRest is called once for each segment, as PostgreSQL does. */
function pushing(
  backRest: PgBackRest | undefined,
  { base, home, compression, prepare }: Pushing,
): Readonly<Record<string, Contender>> {
  if (backRest === undefined) return {};
  const { env = {} } = settingsOf({ home });
  const type = { '': 'none', gzip: 'gz', zstd: 'zst' }[compression];
  return {
    pgBackRest: {
      prepare: async () => {
        await prepare();
        for (const cluster of await namesIn(backRest.archive))
          if (!cluster.startsWith('archive.info')) await rm(join(backRest.archive, cluster), { recursive: true });
      },
      work: async (meter) => {
        for (const name of await namesIn(home.server('main', 'incoming'))) {
          const path = home.server('main', 'incoming', name);
          await meter.run({ argv: backRest.command(base, `--compress-type=${type}`, 'archive-push', path), env });
        }
      },
    },
  };
}

/** Segments a second and core, by CPU time: what a machine does that is not waiting for its disk. */
function rateNotes({ rows }: BenchTable, count: number, target: number | undefined): string[] {
  const rates = rows.map(({ name, cpuSeconds, wallMs }) => {
    const [perCore, perSecond] = [count / cpuSeconds.median, (count / wallMs.median) * 1000];
    return `${name} ${perCore.toFixed(0)} (by the clock, with the disk, ${perSecond.toFixed(0)})`;
  });
  const end = target === undefined ? '' : ` Target of pgcellar: ${String(target)}.`;
  return [`Segments a second and core: ${rates.join(', ')}.${end}`];
}

/** What is left of the segments, where something compressed them. */
function sizeNotes(compression: ArchivingOptions['compression'], sizes: Readonly<Record<string, number>>): string[] {
  if (compression === '') return [];
  const words = Object.entries(sizes).map(([name, bytes]) => `${name} ${(bytes / 1e6).toFixed(1)} MB`);
  return [`Size of the archive: ${words.join(', ')}.`];
}

async function sizeOfWals(home: TestHome): Promise<number> {
  const found = await readdir(home.server('main', 'wals'), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile() && /^[0-9A-F]{24}$/.test(entry.name));
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function fillIncoming(home: TestHome, segments: readonly string[]): Promise<void> {
  for (const folder of ['wals', 'incoming']) await rm(home.server('main', folder), { recursive: true, force: true });
  for (const folder of ['wals', 'incoming']) await mkdir(home.server('main', folder), { recursive: true });
  for (const path of segments) await copyFile(path, home.server('main', 'incoming', basename(path)));
  await runProgram(['sync'], settingsOf({ home }));
}
