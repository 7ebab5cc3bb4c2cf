// One story for each version of PostgreSQL, backed up in every form. Each form is restored to each kind of target, and each of both here and to another host
// through a real sshd, staged on either side; every restored server is started and holds what was committed there. The version that is not
// released yet gets each form once, of backups that are ours.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import {
  describeEachPostgres,
  describeWithOracle,
  majorAhead,
  requirePostgres,
  testedMajors,
} from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { encryptBackup, packBackup } from '../helpers/pack-backup.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { type Mark, startWriteLoad, type WriteLoad } from '../helpers/write-load.ts';

type Form = 'plain' | 'rsync' | 'local-rsync' | 'gzip' | 'lz4' | 'zstd' | 'encrypted' | 'incremental' | 'packed-chain';

interface Story {
  readonly major: number;
  readonly home: TestHome;
  readonly gpg: GpgHome;
  readonly sshd: Sshd;
  /** By form; what a version cannot do is missing. */
  readonly backups: ReadonlyMap<Form, string>;
  readonly ids: readonly number[];
  readonly marks: { readonly early: Mark; readonly named: Mark; readonly late: Mark };
}

const restorePoint = 'before the accident';

async function tell(major: number, opened: Opened): Promise<Story> {
  const settings = major >= 17 ? { summarize_wal: 'on' } : {};
  const cluster = await opened.add(startCluster({ major, settings, initdbArgs: ['--wal-segsize=1'] }));
  const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
  const gpg = await opened.add(createGpgHome());
  const combiner = join(requirePostgres(major).clientsDir, 'pg_combinebackup');
  const sshd = await opened.add(startSshd(major >= 17 ? { programs: { pg_combinebackup: combiner } } : {}));
  const home = await opened.add(createTestHome({ servers: { main: serverOf(cluster) } }));
  await startReceiver(home, cluster);
  await using load = await startWriteLoad(cluster, { paddingBytes: 300 });
  await cluster.query(`CREATE TABLESPACE fast LOCATION '${tablespace.path}'`);
  await cluster.query('ALTER TABLE load SET TABLESPACE fast');
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });

  const backups = new Map<Form, string>();
  const take = async (form: Form, { words = [], more = {} }: { words?: readonly string[]; more?: IniSection } = {}) => {
    await home.writeServer('main', { ...serverOf(cluster), ...more });
    backups.set(form, await (major === majorAhead ? backUpOurselves(home, words) : backUp(home, words)));
    await commitMore(load);
  };
  await take('plain');
  const overSsh = { backup_method: 'rsync', backup_options: 'concurrent_backup', ssh_command: sshd.sshCommand };
  await home.writeServer('main', { ...serverOf(cluster), ...overSsh });
  backups.set('rsync', await backUpOurselves(home, ['--wait']));
  if (major === majorAhead) {
    await home.writeServer('main', { ...serverOf(cluster), backup_method: 'local-rsync' });
    backups.set('local-rsync', await backUpOurselves(home, ['--wait']));
  }
  const packed = { backup_compression: 'gzip', backup_compression_format: 'tar' };
  await take('gzip', { more: packed });
  await take('encrypted', { more: packed });
  if (major >= 17) {
    await take('incremental', { words: ['--incremental', backups.get('plain') ?? ''] });
    await take('packed-chain', { words: ['--incremental', backups.get('incremental') ?? ''] });
    await packBackup(home, backups.get('packed-chain') ?? '');
  }
  if (major >= 15) {
    await take('zstd', { more: { ...packed, backup_compression: 'zstd' } });
    await take('lz4', { more: { ...packed, backup_compression: 'lz4' } });
  }
  await home.writeServer('main', { ...serverOf(cluster), encryption_passphrase_command: `cat ${gpg.passphraseFile}` });
  await encryptBackup(home, gpg, backups.get('encrypted') ?? '');
  if (major >= 17) await encryptBackup(home, gpg, backups.get('packed-chain') ?? '');

  const early = await load.mark();
  await commitMore(load);
  const named = await load.mark({ restorePoint });
  await commitMore(load);
  const late = await load.mark();
  await commitMore(load);
  await load.stop();
  await runWell(['switch-wal', '--archive', 'main'], { home });
  return { major, home, gpg, sshd, backups, ids: load.journal.map(({ id }) => id), marks: { early, named, late } };
}

function serverOf(cluster: PostgresServer): IniSection {
  return streamingServer(cluster, { immediate_checkpoint: true });
}

async function backUp(home: TestHome, words: readonly string[]): Promise<string> {
  const result = await runOracle(['backup', ...words, 'main'], { home });
  if (result.exitCode !== 0) throw new Error(`${words.join(' ')}: ${result.stdout}${result.stderr}`);
  const [id = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
  // ids are seconds
  await waitFor('the next second', () => id !== new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, ''));
  return id;
}

async function backUpOurselves(home: TestHome, words: readonly string[]): Promise<string> {
  await runWell(['backup', ...words, 'main'], { home });
  return (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
}

async function commitMore(load: WriteLoad): Promise<void> {
  const count = load.journal.length + 10;
  await waitFor('more rows are committed', () => load.hasFailed || load.journal.length >= count);
}

const targets = ['time', 'xid', 'lsn', 'name', 'immediate', 'exclusive', 'latest', 'none'] as const;
const places = ['here', 'on another host', 'on another host, staged there'] as const;

interface Cell {
  readonly form: Form;
  readonly target: (typeof targets)[number];
  readonly place: (typeof places)[number];
}

interface Axis {
  readonly form: Form;
  readonly since?: number;
  /** Nothing of it is ever staged. */
  readonly isPlain?: boolean;
  /** Each target at one place only: it is a form of another one. */
  readonly isBeside?: boolean;
}

const forms: readonly Axis[] = [
  { form: 'plain', isPlain: true },
  { form: 'rsync', isPlain: true },
  { form: 'zstd', since: 15 },
  { form: 'encrypted' },
  { form: 'incremental', since: 17 },
  { form: 'packed-chain', since: 17, isBeside: true },
];

/** Every form with every target, here and over ssh, spread over the versions; staging there in turn. Gzip and lz4 beside. */
function cellsOf(major: number): readonly Cell[] {
  if (major === majorAhead) return cellsAhead();
  const grid = forms.flatMap(({ form, since = 0, isPlain = false, isBeside = false }, row) => {
    const majors = testedMajors.filter((one) => one >= since);
    const possible = places.slice(0, isPlain ? 2 : 3);
    const isTurn = (number: number) => majors[number % majors.length] === major;
    return targets.flatMap((target, column): Cell[] => {
      const turn = 2 * row + Math.floor(column / majors.length) + 1;
      const place = possible[turn % possible.length] ?? 'here';
      const other = place === 'here' ? 'on another host' : 'here';
      return [
        ...(isTurn(row + column) ? [{ form, target, place }] : []),
        ...(isTurn(row + column + 1) && !isBeside ? [{ form, target, place: other } as const] : []),
      ];
    });
  });
  const beside: Cell[] = [
    { form: 'gzip', target: 'time', place: 'on another host, staged there' },
    { form: 'lz4', target: 'none', place: 'on another host, staged there' },
  ];
  return [...grid, ...(major === 18 ? beside : [])];
}

function cellsAhead(): readonly Cell[] {
  const released = forms.map(({ form, isPlain = false }, row): Cell => {
    const possible = places.slice(0, isPlain ? 2 : 3);
    return { form, target: targets[row] ?? 'none', place: possible[row % possible.length] ?? 'here' };
  });
  return [...released, { form: 'local-rsync', target: 'none', place: 'here' }];
}

describe('among all restores that are tried', () => {
  const all = testedMajors.flatMap((major) => cellsOf(major).map((cell) => ({ ...cell, major })));
  const has = (wanted: Partial<(typeof all)[number]>) =>
    all.some((cell) => Object.entries(wanted).every(([key, value]) => cell[key as keyof typeof cell] === value));

  test('every form meets every kind of target, here and on another host', () => {
    for (const { form, isBeside = false } of forms) {
      for (const target of targets) {
        const here = has({ form, target, place: 'here' });
        const there = places.slice(1).some((place) => has({ form, target, place }));
        expect({ form, target, isMet: isBeside ? here || there : here && there }).toEqual({ form, target, isMet: true });
      }
    }
  });

  test('every form and every target meets every place', () => {
    for (const place of places) {
      for (const target of targets) expect({ target, place, is: has({ target, place }) }).toEqual({ target, place, is: true });
      for (const { form, isPlain = false } of forms) {
        const isPossible = !isPlain || place !== 'on another host, staged there';
        expect({ form, place, is: has({ form, place }) }).toEqual({ form, place, is: isPossible });
      }
    }
  });

  test('every version has every form that it can make, every target and every place', () => {
    for (const major of testedMajors) {
      for (const { form, since = 0 } of forms)
        expect({ form, major, is: has({ form, major }) }).toEqual({ form, major, is: major >= since });
      for (const target of targets) expect({ target, major, is: has({ target, major }) }).toEqual({ target, major, is: true });
      for (const place of places) expect({ place, major, is: has({ place, major }) }).toEqual({ place, major, is: true });
    }
  });
});

function wordsFor({ target }: Pick<Cell, 'target'>, { early, late }: Story['marks']): readonly string[] {
  const at: Readonly<Record<Cell['target'], readonly string[]>> = {
    time: [`--target-time=${late.time}`],
    xid: [`--target-xid=${late.xid}`],
    exclusive: [`--target-xid=${late.xid}`, '--exclusive'],
    lsn: [`--target-lsn=${early.lsn}`],
    name: [`--target-name=${restorePoint}`],
    immediate: ['--target-immediate'],
    latest: ['--target-tli=latest'],
    none: [],
  };
  return target === 'none' ? [] : [...at[target], '--target-action=promote'];
}

function wordsAt({ place }: Pick<Cell, 'place'>, { sshd }: Story): readonly string[] {
  if (place === 'here') return [];
  const there = ['--remote-ssh-command', sshd.sshCommand];
  return place === 'on another host' ? there : [...there, '--staging-location', 'remote'];
}

function idsAt({ target }: Pick<Cell, 'target'>, { ids, marks }: Story): number[] {
  if (target === 'none' || target === 'latest') return [...ids];
  if (target === 'exclusive') return ids.filter((id) => id < marks.late.lastId);
  const mark = target === 'lsn' ? marks.early : target === 'name' ? marks.named : marks.late;
  return ids.filter((id) => id <= mark.lastId);
}

interface Planned {
  readonly trees: readonly {
    readonly destination: string;
    readonly bytes: number;
    readonly files: number;
    readonly exact: boolean;
  }[];
}

const addedByUs = /^(?:barman_wal\/|pg_wal\/|\.barman-recover\.info|recovery\.signal|(?:postgresql|postgresql\.auto)\.conf$)/;

/** Files of a tree that came from the backup; those of the configuration are there under the names of their originals. */
async function sizeOf(folder: string, form: Form): Promise<{ bytes: number; files: number }> {
  const { stdout } = await runProgram(['find', folder, '-type', 'f', '-printf', '%s %P\\n']);
  // pg_combinebackup writes a manifest of its own
  const isChain = form === 'incremental' || form === 'packed-chain';
  const isPlanned = (name: string) => !addedByUs.test(name) && !(isChain && name.startsWith('backup_manifest'));
  const lines = stdout.split('\n').flatMap((line) => {
    const [, size = '', name = ''] = /^(\d+) (.*)$/.exec(line) ?? [];
    return name !== '' && isPlanned(name) ? [Number(size)] : [];
  });
  return { files: lines.length, bytes: lines.reduce((sum, size) => sum + size, 0) };
}

describeWithOracle('a restore', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let story: Story;

      beforeAll(async () => {
        story = await tell(major, opened);
      });
      afterAll(() => opened.close());

      test('comes from a server that check finds healthy', async () => {
        await runWell(['check', 'main'], { home: story.home });
      });

      describe.each(cellsOf(major))('of a $form backup to $target $place', (cell) => {
        test('holds what was committed there, keeps what its plan said, and leaves no staging', async () => {
          await using folder = await createTemporaryFolder('rs', { owner: 'server' });
          await using staging = await createTemporaryFolder('st');
          const { home, gpg } = story;
          const [dataDir, fast] = [join(folder.path, 'data'), join(folder.path, 'fast')];
          const words = [
            '-f',
            'json',
            'restore',
            ...wordsFor(cell, story.marks),
            ...wordsAt(cell, story),
            `--tablespace=fast:${fast}`,
            `--staging-path=${staging.path}`,
            'main',
            story.backups.get(cell.form) ?? '',
            dataDir,
          ];
          const env = { GNUPGHOME: gpg.path };
          const dry = cell.place === 'here' ? await runPgcellar([...words, '--dry-run'], { home, env }) : undefined;
          if (dry !== undefined) expect(dry, dry.stdout).toMatchObject({ exitCode: 0 });
          const real = await runPgcellar(words, { home, env });
          expect(real, real.stdout).toMatchObject({ exitCode: 0 });
          expect(await readdir(staging.path)).toEqual([]);
          // the head of a run is its plan, too
          const { plan } = JSON.parse((dry ?? real).stdout) as { plan: Planned };
          await expectKept(plan, cell.form);
          await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
          const found = (await server.query<{ id: string }>('SELECT id FROM load ORDER BY id')).map(({ id }) => Number(id));
          if (cell.target === 'immediate') expect(found).toEqual(story.ids.slice(0, found.length));
          else expect(found).toEqual(idsAt(cell, story));
          expect(found.length).toBeGreaterThan(10);
          await server.query('SELECT count(*) FROM pg_class, pg_attribute');
        });
      });

      if (major < 18) return; // pg_combinebackup learned to link then
      test.each(['link', 'clone', 'copy-file-range'])(
        'of a chain with --combine-mode %s shares no file with the catalog',
        async (mode) => {
          await using folder = await createTemporaryFolder('cm');
          const [dataDir, fast] = [join(folder.path, 'data'), join(folder.path, 'fast')];
          const words = ['restore', `--combine-mode=${mode}`, `--tablespace=fast:${fast}`, 'main'];
          await runWell([...words, story.backups.get('incremental') ?? '', dataDir], { home: story.home });
          const { stdout } = await runProgram(['find', dataDir, fast, '-type', 'f', '-links', '+1']);
          expect(stdout).toBe('');
        },
      );
    },
    [...testedMajors, majorAhead],
  );
});

async function expectKept({ trees }: Planned, form: Form): Promise<void> {
  for (const { destination, bytes, files, exact } of trees) {
    if (exact) expect({ destination, ...(await sizeOf(destination, form)) }).toEqual({ destination, bytes, files });
  }
  expect(trees.every(({ exact }) => exact)).toBe(true);
}
