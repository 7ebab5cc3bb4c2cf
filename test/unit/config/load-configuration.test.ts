import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { usualPlaces } from '../../../src/config/find-configuration-file.ts';
import { loadConfiguration, loadMainConfiguration } from '../../../src/config/load-configuration.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';
import { loadTestConfiguration } from './load-test-configuration.ts';

const sound = 'backup_method = postgres\nconninfo = host=pg\narchiver = on\n';

describe('the main file', () => {
  test('is looked for in our places before those of Barman', () => {
    expect(usualPlaces('/h')).toEqual([
      '/h/.pgcellar.conf',
      '/etc/pgcellar.conf',
      '/etc/pgcellar/pgcellar.conf',
      '/h/.barman.conf',
      '/etc/barman.conf',
      '/etc/barman/barman.conf',
    ]);
  });

  test('is the named one, else that of PGCELLAR_CONFIG_FILE, BARMAN_CONFIG_FILE, the home folder', async () => {
    await using folder = await createTemporaryFolder('config');
    const paths = ['named', 'ours', 'theirs', '.pgcellar.conf', '.barman.conf'].map((name) => join(folder.path, name));
    const [named, ours, theirs, homeOurs] = paths;
    for (const path of paths) await writeFile(path, '[barman]\nbarman_home = /h\n');
    const found = (explicitPath: string | undefined, environment: Record<string, string | undefined>) =>
      loadMainConfiguration({ explicitPath, environment, homeFolder: folder.path }).path;
    const both = { PGCELLAR_CONFIG_FILE: ours, BARMAN_CONFIG_FILE: theirs };
    expect(found(named, both)).toBe(named);
    expect(found(undefined, both)).toBe(ours);
    expect(found(undefined, { PGCELLAR_CONFIG_FILE: '', BARMAN_CONFIG_FILE: theirs })).toBe(theirs);
    expect(found(undefined, {})).toBe(homeOurs);
  });

  test.each([
    { by: '-c', explicitPath: '/no/such.conf', environment: { BARMAN_CONFIG_FILE: '/etc/hosts' } },
    { by: 'BARMAN_CONFIG_FILE', explicitPath: undefined, environment: { BARMAN_CONFIG_FILE: '/no/such.conf' } },
  ])('named by $by has to exist', ({ by, explicitPath, environment }) => {
    expect(() => loadMainConfiguration({ explicitPath, environment, homeFolder: '/h' })).toThrow(
      expect.objectContaining({
        code: 'configuration-missing',
        message: `the configuration file /no/such.conf of ${by} does not exist`,
      }),
    );
  });

  test('that cannot be read is named', async () => {
    await using folder = await createTemporaryFolder('config');
    expect(() => loadMainConfiguration({ explicitPath: folder.path, environment: {}, homeFolder: '/h' })).toThrow(
      expect.objectContaining({
        code: 'file-unreadable',
        message: `cannot read the configuration file ${folder.path} (EISDIR)`,
      }),
    );
  });

  test('is read once, so the user that we become need not be able to read it', async () => {
    await using folder = await createTemporaryFolder('config');
    const path = join(folder.path, 'main.conf');
    await writeFile(path, '[barman]\nbarman_home = ~/home\n[pg]\n');
    const main = loadMainConfiguration({ explicitPath: path, environment: {}, homeFolder: '/root' });
    await writeFile(path, 'not for you');
    await chmod(path, 0);
    expect(main.global.barman_home).toBe('/root/home');
    expect(loadConfiguration(main, folder.path).global.barman_home).toBe(join(folder.path, 'home'));
  });
});

describe('the global section', () => {
  test('gives everything but barman_home a default', async () => {
    const { global } = await loadTestConfiguration('[barman]\nbarman_home = /h\n');
    expect(global).toEqual({
      barman_home: '/h',
      barman_lock_directory: '/h',
      barman_user: 'barman',
      config_changes_queue: '/h/cfg_changes.queue',
      configuration_files_directory: undefined,
      lock_directory_cleanup: true,
      log_file: undefined,
      log_format: '%(asctime)s [%(process)s] %(name)s %(levelname)s: %(message)s',
      log_level: 'INFO',
    });
  });

  test('may be called pgcellar', async () => {
    const { global } = await loadTestConfiguration('[pgcellar]\nbarman_home = /h\nlog_level = debug\n');
    expect(global).toMatchObject({ barman_home: '/h', log_level: 'DEBUG' });
  });

  test.each([
    { fact: 'is required', text: '[pg]\n# barman_home', message: 'FOLDER/main.conf has no [barman] section' },
    {
      fact: 'has to have barman_home',
      text: '[barman]\n# barman_home',
      message: 'FOLDER/main.conf:1: barman_home is missing in [barman]',
    },
    {
      fact: 'has to have a barman_home that is not empty',
      text: '\n[pgcellar]\nbarman_home = None',
      message: 'FOLDER/main.conf:2: barman_home is missing in [pgcellar]',
    },
    {
      fact: 'has one name only',
      text: '[barman]\nbarman_home = /h\n[pgcellar]\nbarman_home = /h',
      message: 'FOLDER/main.conf:3: both [barman] and [pgcellar] are used',
    },
  ])('$fact', async ({ text, message }) => {
    await expect(loadTestConfiguration(text)).rejects.toMatchObject({ code: 'configuration-invalid', message });
  });

  test.each(['%%%%(asctime)s %%%%(message)s', '%%(asctime)s %%(message)s', '%(asctime)s %(message)s'])(
    'takes the log format %s without a warning',
    async (format) => {
      const { global, warnings } = await loadTestConfiguration(`[barman]\nbarman_home = /h\nlog_format = ${format}\n`);
      expect(global.log_format).toBe('%(asctime)s %(message)s');
      expect(warnings).toEqual([]);
    },
  );

  test('logs with INFO when the level is unknown', async () => {
    const { global, logWarnings } = await loadTestConfiguration('[barman]\nbarman_home = /h\nlog_level = loud\n');
    expect(global.log_level).toBe('INFO');
    expect(logWarnings).toEqual([`Unknown log_level 'loud'; INFO is used`]);
  });
});

describe('included files', () => {
  test('are the *.conf files in the order of their bytes, then .barman.auto.conf', async () => {
    const line = (text: string) => `[pg]\n${sound}description = ${text}\n${text} = 1\n`;
    const { warnings, servers } = await loadTestConfiguration({
      'main.conf': '[barman]\nbarman_home = FOLDER/home\nconfiguration_files_directory = ~/conf.d\n',
      'conf.d/b.conf': line('b'),
      'conf.d/a.conf': line('a'),
      'conf.d/Z.conf': line('z'),
      'conf.d/.hidden.conf': line('hidden'),
      'conf.d/other.txt': line('other'),
      'home/.barman.auto.conf': line('auto'),
    });
    expect(warnings.map((text) => /"(\w+)"/.exec(text)?.[1])).toEqual(['z', 'a', 'b', 'auto']);
    expect(servers.map(({ options }) => options.description)).toEqual(['auto']);
    expect(servers[0]?.sources.description).toBe('FOLDER/home/.barman.auto.conf');
  });

  test('may repeat the global section but not change it', async () => {
    const main = '[barman]\nbarman_home = FOLDER/home\nconfiguration_files_directory = FOLDER/conf.d\ncompression = gzip\n';
    const load = async (text: string) => await loadTestConfiguration({ 'main.conf': main, 'conf.d/x.conf': text });
    expect((await load('[barman]\ncompression = gzip\n')).warnings).toEqual([]);
    await expect(load('[barman]\ncompression = xz\n')).rejects.toThrow(
      'FOLDER/conf.d/x.conf:2: an included file must not change compression of [barman]',
    );
    await expect(load('[barman]\nlog_file = /x\n')).rejects.toThrow('an included file must not change log_file');
    await expect(load('[pgcellar]\ncompression = gzip\n')).rejects.toThrow('both [barman] and [pgcellar] are used');
  });

  test('are none when the folder is missing, and only regular files count; the log says so', async () => {
    const missing = await loadTestConfiguration('[barman]\nbarman_home = /h\nconfiguration_files_directory = FOLDER/no\n');
    expect(missing.warnings).toEqual([]);
    expect(missing.logWarnings).toEqual(['configuration_files_directory FOLDER/no is not a folder; no file is included']);
    const odd = await loadTestConfiguration({
      'main.conf': '[barman]\nbarman_home = /h\nconfiguration_files_directory = FOLDER/conf.d\n',
      'conf.d/folder.conf/x': '',
    });
    expect(odd.logWarnings).toEqual(['FOLDER/conf.d/folder.conf is not a regular file and is not included']);
  });

  test('that cannot be parsed stop everything with file and line', async () => {
    const loading = loadTestConfiguration({
      'main.conf': '[barman]\nbarman_home = /h\nconfiguration_files_directory = FOLDER/conf.d\n',
      'conf.d/x.conf': '[pg]\noops\n',
    });
    await expect(loading).rejects.toThrow('FOLDER/conf.d/x.conf:2: this line is not "key = value": oops');
  });
});

test('a folder that depends on where the program is started is warned about', async () => {
  const { warnings } = await loadTestConfiguration(
    `[a]\n${sound}backup_directory = relative/path\n[b]\n${sound}errors_directory = x\n`,
  );
  expect(warnings).toEqual([
    "backup_directory of server 'a' is not an absolute path: it means another folder in each working directory",
    "errors_directory of server 'b' is not an absolute path: it means another folder in each working directory",
  ]);
});

describe('section names', () => {
  test.each(['all', '.', '..', '.hidden', 'a/b', '../up', 'a\u0007b', 'ä'.repeat(101)])(
    '%j is refused with its file and line',
    async (name) => {
      const loading = loadTestConfiguration(`[barman]\nbarman_home = /h\n\n[${name}]\n`);
      await expect(loading).rejects.toMatchObject({
        code: 'configuration-invalid',
        message: expect.stringMatching(/^FOLDER\/main.conf:4: /) as string,
      });
    },
  );

  test('servers come sorted by name', async () => {
    const { servers } = await loadTestConfiguration(`[b]\n${sound}[a]\n${sound}[B]\n${sound}`);
    expect(servers.map(({ name }) => name)).toEqual(['B', 'a', 'b']);
  });
});

describe('values', () => {
  const description = async (text: string) =>
    (await loadTestConfiguration(`[pg]\n${sound}${text}\n`)).server('pg').options.description;

  test.each([
    { text: 'description = "quoted"', value: 'quoted' },
    { text: "description = 'quoted'", value: 'quoted' },
    { text: `description = "'twice'"`, value: `'twice'` },
    { text: `description = "one sided`, value: '"one sided' },
    { text: `description = 'mixed"`, value: `'mixed"` },
    { text: 'description = None', value: undefined },
    { text: 'description = none', value: 'none' },
    { text: "description = 'None'", value: undefined },
    { text: 'description =', value: undefined },
    { text: 'description = ""', value: undefined },
    { text: 'description = %(conninfo)s', value: 'host=pg' },
    { text: 'description = date +%Y', value: 'date +%Y' },
    { text: 'description = 100%%%%', value: '100%' },
    { text: 'description = %%%%(x)s', value: '%(x)s' },
  ])('$text means $value', async ({ text, value }) => {
    expect(await description(text)).toBe(value);
  });

  test('come back as they were written, in quotes and with four percent signs for one', async () => {
    await using folder = await createTemporaryFolder('config');
    const path = join(folder.path, 'main.conf');
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text !== 'None' && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)),
        async (value) => {
          const written = `"${value.replaceAll('%', '%%%%')}"`;
          await writeFile(path, `[barman]\nbarman_home = ${folder.path}\n[pg]\n${sound}description = ${written}\n`);
          const main = loadMainConfiguration({ explicitPath: path, environment: {}, homeFolder: '/h' });
          const { servers } = loadConfiguration(main, '/h');
          expect(servers[0]?.options.description).toBe(value);
        },
      ),
    );
  });

  test('of DEFAULT belong to every section of the same file', async () => {
    const { servers } = await loadTestConfiguration({
      'main.conf':
        '[DEFAULT]\ncheck_timeout = 7\n[barman]\nbarman_home = FOLDER/home\nconfiguration_files_directory = FOLDER/conf.d\n[a]\n' +
        sound,
      'conf.d/b.conf': `[DEFAULT]\ncheck_timeout = 8\n[b]\n${sound}`,
    });
    expect(servers.map(({ options }) => options.check_timeout)).toEqual([7, 8]);
  });

  test('that refer to nothing stay and are told', async () => {
    const { warnings, server } = await loadTestConfiguration(`[pg]\n${sound}description = %(nothing)s\n`);
    expect(server('pg').options.description).toBe('%(nothing)s');
    expect(warnings).toEqual([
      'No option "nothing" for %(nothing)s of key description in [pg] section (FOLDER/main.conf:7); it stays as it is',
    ]);
  });
});

describe('precedence', () => {
  test.each([
    { fact: 'a server takes the global value', global: 'compression = gzip', own: '', key: 'compression', value: 'gzip' },
    {
      fact: 'a server has its own value',
      global: 'compression = gzip',
      own: 'compression = xz',
      key: 'compression',
      value: 'xz',
    },
    {
      fact: 'an empty text hides the global one',
      global: 'retention_policy = REDUNDANCY 1',
      own: 'retention_policy =',
      key: 'retention_policy',
      value: undefined,
    },
    {
      fact: 'an empty compression hides the global one',
      global: 'compression = xz',
      own: 'compression = None',
      key: 'compression',
      value: undefined,
    },
    {
      fact: 'an empty set hides the global one',
      global: 'recovery_options = get-wal',
      own: 'recovery_options =',
      key: 'recovery_options',
      value: [],
    },
    {
      fact: 'an empty hook hides the global one',
      global: 'pre_backup_script = x',
      own: 'pre_backup_script =',
      key: 'pre_backup_script',
      value: undefined,
    },
    {
      fact: 'an empty rate removes the global limit',
      global: 'bandwidth_limit = 5',
      own: 'bandwidth_limit =',
      key: 'bandwidth_limit',
      value: undefined,
    },
    {
      fact: 'encryption = none hides the global one',
      global: 'encryption = gpg',
      own: 'encryption = none',
      key: 'encryption',
      value: undefined,
    },
    {
      fact: 'an empty text with a default has the default',
      global: 'streaming_archiver_name = x',
      own: 'streaming_archiver_name =',
      key: 'streaming_archiver_name',
      value: 'barman_receive_wal',
    },
    {
      fact: 'an empty size takes the global one',
      global: 'last_backup_minimum_size = 1k',
      own: 'last_backup_minimum_size =',
      key: 'last_backup_minimum_size',
      value: 1000,
    },
    {
      fact: 'an empty interval takes the global one',
      global: 'last_wal_maximum_age = 1 DAY',
      own: 'last_wal_maximum_age =',
      key: 'last_wal_maximum_age',
      value: 86_400,
    },
    {
      fact: 'a keepalive_interval is never global',
      global: 'keepalive_interval = 5',
      own: '',
      key: 'keepalive_interval',
      value: 60,
    },
    { fact: 'a conninfo is never global', global: 'wal_conninfo = host=x', own: '', key: 'wal_conninfo', value: undefined },
    { fact: 'streaming_conninfo defaults to conninfo', global: '', own: '', key: 'streaming_conninfo', value: 'host=pg' },
    { fact: 'the cluster defaults to the name', global: '', own: '', key: 'cluster', value: 'pg' },
    {
      fact: 'folders follow backup_directory',
      global: '',
      own: 'backup_directory = /b',
      key: 'wals_directory',
      value: '/b/wals',
    },
    { fact: 'the index follows wals_directory', global: '', own: 'wals_directory = /w', key: 'xlogdb_directory', value: '/w' },
    {
      fact: 'the index of a cloud archive is in meta',
      global: '',
      own: 'backup_directory = /b\nwals_directory = s3://b/p',
      key: 'xlogdb_directory',
      value: '/b/meta',
    },
    { fact: 'a tilde is the home folder', global: '', own: 'wals_directory = ~/w', key: 'wals_directory', value: 'FOLDER/w' },
    { fact: 'a slot name is lower-cased', global: '', own: 'slot_name = Barman', key: 'slot_name', value: 'barman' },
    {
      fact: 'a negative minimum_redundancy is 0',
      global: 'minimum_redundancy = 3',
      own: 'minimum_redundancy = -1',
      key: 'minimum_redundancy',
      value: 0,
    },
    {
      fact: 'any retention_policy_mode is auto',
      global: '',
      own: 'retention_policy_mode = manual',
      key: 'retention_policy_mode',
      value: 'auto',
    },
    {
      fact: 'any wal_retention_policy is main',
      global: '',
      own: 'wal_retention_policy = other',
      key: 'wal_retention_policy',
      value: 'main',
    },
    { fact: 'disabled cannot be configured', global: '', own: 'disabled = true', key: 'disabled', value: false },
  ] as const)('$fact', async ({ global, own, key, value }) => {
    const { server, warnings } = await loadTestConfiguration(`${global}\n[pg]\n${sound}${own}\n`);
    expect(server('pg').options[key]).toEqual(value);
    expect(warnings).toEqual([]);
  });

  test('an invalid value falls to the global one, and that to the default', async () => {
    const text = 'check_timeout = 7\ncombine_mode = weave\n[pg]\ncheck_timeout = soon\ncombine_mode = knit\n';
    const { server, warnings } = await loadTestConfiguration(`${text}${sound}`);
    expect(server('pg').options).toMatchObject({ check_timeout: 7, combine_mode: 'copy' });
    expect(warnings).toEqual([
      "Ignoring invalid configuration value 'weave' for key combine_mode in [barman] section (FOLDER/main.conf:4): use one of copy, link, clone, copy-file-range",
      "Ignoring invalid configuration value 'soon' for key check_timeout in [pg] section (FOLDER/main.conf:6): use a whole number",
      "Ignoring invalid configuration value 'knit' for key combine_mode in [pg] section (FOLDER/main.conf:7): use one of copy, link, clone, copy-file-range",
    ]);
  });

  test.each(['archiver', 'check_timeout', 'combine_mode', 'slot_name', 'staging_path', 'minimum_redundancy'])(
    'an empty %s is invalid',
    async (key) => {
      const { warnings } = await loadTestConfiguration(
        `[pg]\nbackup_method = postgres\nconninfo = host=pg\nstreaming_archiver = on\nslot_name = s\n${key} =\n`,
      );
      expect(warnings.map((text) => text.split(':')[0])).toContain(
        `Ignoring invalid configuration value '' for key ${key} in [pg] section (FOLDER/main.conf`,
      );
    },
  );

  test('a source is the file that a value came from', async () => {
    const { server } = await loadTestConfiguration({
      'main.conf': '[barman]\nbarman_home = FOLDER/home\nconfiguration_files_directory = FOLDER/conf.d\ncompression = gzip\n',
      'conf.d/pg.conf': `[pg]\n${sound}`,
    });
    expect(server('pg').sources).toEqual({
      compression: 'FOLDER/main.conf',
      backup_method: 'FOLDER/conf.d/pg.conf',
      conninfo: 'FOLDER/conf.d/pg.conf',
      archiver: 'FOLDER/conf.d/pg.conf',
    });
  });
});

describe('unknown options', () => {
  test('are told with section, file and line in every kind of section', async () => {
    const { warnings } = await loadTestConfiguration(
      `frob = 1\n[m]\nmodel = on\ncluster = c\nfrob = 2\nbackup_directory = /x\npre_backup_script = y\n[pg]\n${sound}frob = 3\nlog_file = /x\n`,
    );
    expect(warnings).toEqual([
      'Invalid configuration option "frob" in [barman] section (FOLDER/main.conf:3)',
      'Invalid configuration option "frob" in [m] section (FOLDER/main.conf:7)',
      'Invalid configuration option "backup_directory" in [m] section (FOLDER/main.conf:8)',
      'Invalid configuration option "pre_backup_script" in [m] section (FOLDER/main.conf:9)',
      'Invalid configuration option "frob" in [pg] section (FOLDER/main.conf:14)',
      'Invalid configuration option "log_file" in [pg] section (FOLDER/main.conf:15)',
    ]);
  });

  test('are not what only servers have, in the global section: that is for the log', async () => {
    const { warnings, logWarnings } = await loadTestConfiguration('conninfo = host=pg password=hush\n');
    expect(warnings).toEqual([]);
    expect(logWarnings).toEqual([
      'conninfo in [barman] section (FOLDER/main.conf:3) has no effect: each server sets it for itself',
    ]);
  });
});

describe('problems that disable a server', () => {
  test.each([
    { text: 'backup_method = postgres', problem: 'conninfo is missing' },
    { text: 'backup_method = postgres\nconninfo = pg', problem: 'conninfo cannot be read' },
    {
      text: 'backup_method = postgres\nconninfo = host=pg\nstreaming_conninfo = pg',
      problem: 'streaming_conninfo cannot be read',
    },
    { text: 'backup_method = postgres\nconninfo = host=pg\nstreaming_archiver = on', problem: 'slot_name is missing' },
    { text: 'conninfo = host=pg', problem: 'ssh_command is missing' },
    { text: 'backup_method = local-rsync\nconninfo = host=pg\nssh_command = ssh pg', problem: 'ssh_command cannot be used' },
    { text: `${sound}reuse_backup = link`, problem: 'reuse_backup cannot be used' },
    { text: `${sound}network_compression = on`, problem: 'network_compression cannot be used' },
    { text: `${sound}tablespace_bandwidth_limit = t:1`, problem: 'tablespace_bandwidth_limit cannot be used' },
    {
      text: 'conninfo = host=pg\nssh_command = ssh pg\nbackup_compression = gzip',
      problem: 'backup_compression cannot be used',
    },
    { text: 'conninfo = host=pg\nbackup_method = snapshot\nssh_command = ssh pg', problem: 'snapshot_disks is missing' },
    {
      text: `${sound}wals_directory = FOLDER/home/pg/base`,
      problem: 'basebackups_directory and wals_directory are the same folder',
    },
    {
      text: `${sound}errors_directory = FOLDER/home/../home/pg/`,
      problem: 'backup_directory and errors_directory are the same folder',
    },
  ])('$problem: $text', async ({ text, problem }) => {
    const { isActive, options, problems } = (await loadTestConfiguration(`[pg]\n${text}\n`)).server('pg');
    expect(problems[0]).toContain(`server 'pg': ${problem}`);
    expect(options.disabled).toBe(true);
    expect(isActive).toBe(true);
  });

  test.each([
    { fact: 'a sound server', text: sound },
    { fact: 'reuse_backup = off with streaming backups', text: `${sound}reuse_backup = off` },
    { fact: 'a passive server without connection', text: 'primary_ssh_command = ssh other' },
    { fact: 'an inactive server without anything', text: 'active = false' },
    { fact: 'a streaming archiver beside the other one, without slot', text: `${sound}streaming_archiver = on` },
  ])('$fact has none', async ({ text }) => {
    const { options, problems } = (await loadTestConfiguration(`[pg]\n${text}\n`)).server('pg');
    expect(problems).toEqual([]);
    expect(options.disabled).toBe(false);
  });

  test('are all kept', async () => {
    const { problems } = (await loadTestConfiguration('[pg]\nbackup_compression = gzip\n')).server('pg');
    expect(problems).toEqual([
      "server 'pg': conninfo is missing",
      "server 'pg': ssh_command is missing; it is required with backup_method = rsync",
      "server 'pg': backup_compression cannot be used with backup_method = rsync",
    ]);
  });

  test('never show a password', async () => {
    const secret = 'conninfo = host=pg password=hush oops\nstreaming_conninfo = postgresql://u:hush@pg/a b';
    const { servers, warnings, logWarnings } = await loadTestConfiguration(
      `[pg]\nbackup_method = postgres\n${secret}\narchiver = on\n   conninfo = host=pg password=hush\ncheck_timeout = password=hush\n`,
    );
    const told = JSON.stringify([servers[0]?.problems, warnings, logWarnings]);
    expect(servers[0]?.problems).toHaveLength(2);
    expect(told).not.toContain('hush');
  });
});

describe('folders of several servers', () => {
  test('are compared where symbolic links lead, and a conflict concerns everything', async () => {
    const { globalProblems, servers } = await loadTestConfiguration({
      'main.conf': `[barman]\nbarman_home = FOLDER/home\n[a]\n${sound}[b]\n${sound}wals_directory = FOLDER/home/a/wals\n`,
    });
    expect(globalProblems).toEqual([
      "wals_directory of server 'a' and wals_directory of server 'b' are the same folder, FOLDER/home/a/wals",
    ]);
    expect(servers.map(({ problems }) => problems)).toEqual([[], []]);
  });

  test('are the same behind a symbolic link', async () => {
    await using folder = await createTemporaryFolder('config');
    await mkdir(join(folder.path, 'real'));
    await symlink(join(folder.path, 'real'), join(folder.path, 'link'));
    const path = join(folder.path, 'main.conf');
    await writeFile(
      path,
      `[barman]\nbarman_home = ${folder.path}\n[a]\n${sound}backup_directory = ${folder.path}/real/x\n[b]\n${sound}backup_directory = ${folder.path}/link/x\n`,
    );
    const main = loadMainConfiguration({ explicitPath: path, environment: {}, homeFolder: '/h' });
    expect(loadConfiguration(main, '/h').globalProblems).toHaveLength(6);
  });

  test('may share a cloud destination and the folder of the index', async () => {
    const shared = `${sound}wals_directory = s3://bucket/x\nxlogdb_directory = /x\n`;
    expect((await loadTestConfiguration(`[a]\n${shared}[b]\n${shared}`)).globalProblems).toEqual([]);
  });
});

describe('assumed settings', () => {
  test('an archiver is on', async () => {
    const { server, warnings } = await loadTestConfiguration('[pg]\nbackup_method = postgres\nconninfo = host=pg\n');
    expect(server('pg').options.archiver).toBe(true);
    expect(server('pg').sources.archiver).toBeUndefined();
    expect(warnings).toEqual([
      "No archiver is on for server 'pg': set archiver or streaming_archiver, or both",
      "archiver = on is assumed for server 'pg'",
    ]);
  });

  test.each(['active = false', 'primary_ssh_command = ssh other'])('no archiver with %s', async (text) => {
    const { server, warnings } = await loadTestConfiguration(`[pg]\n${text}\n`);
    expect(server('pg').options.archiver).toBe(false);
    expect(warnings).toEqual([]);
  });

  test('primary_ssh_command makes a server passive', async () => {
    const { server } = await loadTestConfiguration(`[a]\nprimary_ssh_command = ssh other\n[b]\n${sound}`);
    expect([server('a').isPassive, server('b').isPassive]).toEqual([true, false]);
  });

  test.each([
    { text: sound, options: ['concurrent_backup'], warnings: 0 },
    {
      text: `${sound}backup_options = exclusive_backup, external_configuration`,
      options: ['concurrent_backup', 'external_configuration'],
      warnings: 1,
    },
    { text: 'archiver = on\nconninfo = host=pg\nssh_command = ssh pg', options: ['concurrent_backup'], warnings: 1 },
    {
      text: 'archiver = on\nconninfo = host=pg\nssh_command = ssh pg\nbackup_options = exclusive_backup',
      options: ['exclusive_backup'],
      warnings: 0,
    },
    { text: 'primary_ssh_command = ssh other', options: [], warnings: 0 },
  ])('backups are begun with $options ($text)', async ({ text, options, warnings }) => {
    const loaded = await loadTestConfiguration(`[pg]\n${text}\n`);
    expect(loaded.server('pg').options.backup_options).toEqual(options);
    expect(loaded.warnings).toHaveLength(warnings);
  });

  test.each([
    { policy: 'retention_policy = REDUNDANCY 2', retention: { kind: 'enforced', policy: { kind: 'redundancy', count: 2 } } },
    { policy: 'retention_policy = for ever', retention: { kind: 'invalid', text: 'for ever' } },
    { policy: 'retention_policy =', retention: { kind: 'not-enforced' } },
    { policy: '', retention: { kind: 'not-enforced' } },
  ])('"$policy" comes to $retention.kind', async ({ policy, retention }) => {
    const loaded = await loadTestConfiguration(`[pg]\n${sound}${policy}\n`);
    expect(loaded.server('pg').retention).toEqual(retention);
    expect(loaded.server('pg').problems).toEqual([]);
    expect(loaded.logWarnings).toHaveLength(retention.kind === 'invalid' ? 1 : 0);
  });
});

describe('models', () => {
  const model = '[m]\nmodel = true\ncluster = pg\nconninfo = host=other\ncompression = xz\ndescription =\n';
  const files = {
    'main.conf': `[barman]\nbarman_home = FOLDER/home\ncompression = gzip\n${model}[pg]\n${sound}description = mine\n`,
  };

  test('are no servers, and have the options that they set', async () => {
    const { models, servers } = await loadTestConfiguration(files);
    expect(servers.map(({ name }) => name)).toEqual(['pg']);
    expect(models).toEqual([
      {
        name: 'm',
        cluster: 'pg',
        options: { cluster: 'pg', conninfo: 'host=other', compression: 'xz' },
        sources: { cluster: 'FOLDER/main.conf', conninfo: 'FOLDER/main.conf', compression: 'FOLDER/main.conf' },
      },
    ]);
  });

  test('lie over the server that names them in .active-model.auto', async () => {
    const { server } = await loadTestConfiguration({ ...files, 'home/pg/.active-model.auto': 'm\n' });
    expect(server('pg').activeModel).toBe('m');
    expect(server('pg').options).toMatchObject({
      conninfo: 'host=other',
      streaming_conninfo: 'host=other',
      compression: 'xz',
      description: 'mine',
    });
  });

  test('are not active when the file is empty', async () => {
    const { server } = await loadTestConfiguration({ ...files, 'home/pg/.active-model.auto': '' });
    expect(server('pg')).toMatchObject({ activeModel: undefined, problems: [] });
  });

  test('that are active but gone disable the server', async () => {
    const { server } = await loadTestConfiguration({ ...files, 'home/pg/.active-model.auto': 'gone' });
    expect(server('pg').problems).toEqual([
      "server 'pg': the active model 'gone' of FOLDER/home/pg/.active-model.auto is not configured",
    ]);
  });

  test.each([
    { text: '[m]\nmodel = true\n', message: 'FOLDER/main.conf:3: the model [m] has no cluster' },
    { text: '[m]\nmodel = perhaps\n', message: 'FOLDER/main.conf:4: model of [m] is neither true nor false' },
  ])('are refused: $message', async ({ text, message }) => {
    await expect(loadTestConfiguration(text)).rejects.toMatchObject({ code: 'configuration-invalid', message });
  });

  test('are no models with model = false', async () => {
    const { servers, warnings } = await loadTestConfiguration(`[pg]\nmodel = false\n${sound}`);
    expect(servers.map(({ name }) => name)).toEqual(['pg']);
    expect(warnings).toEqual(['Invalid configuration option "model" in [pg] section (FOLDER/main.conf:4)']);
  });
});
