import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mangleConfiguration, writeRecoverySettings } from '../../../../src/restore/recovery/mangle-configuration.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { aRestoreHost } from '../restore-context.ts';

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await createTemporaryFolder('mangle');
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

async function write(files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder.path, name), content);
}

async function read(name: string): Promise<string> {
  return await readFile(join(folder.path, name), 'utf8');
}

test('rewrites both files and keeps the originals with their modes', async () => {
  await write({ 'postgresql.conf': "archive_command = 'x'\n", 'postgresql.auto.conf': 'port = 1\n', 'pg_hba.conf': '' });
  await chmod(join(folder.path, 'postgresql.conf'), 0o640);
  const mangled = await mangleConfiguration(aRestoreHost(), {
    dataFolder: folder.path,
    version: 150_018,
    recoveryFile: undefined,
  });
  expect(mangled).toEqual({
    changes: [{ file: 'postgresql.conf', line: 0, key: 'archive_command', value: 'false' }],
    warnings: [],
    missingFiles: ['pg_ident.conf'],
    linkedFiles: [],
  });
  expect(await read('postgresql.conf')).toBe("#BARMAN#archive_command = 'x'\narchive_command = false\n");
  expect(await read('postgresql.conf.origin')).toBe("archive_command = 'x'\n");
  expect(await read('postgresql.auto.conf.origin')).toBe('port = 1\n');
  for (const name of ['postgresql.conf', 'postgresql.conf.origin']) {
    expect((await stat(join(folder.path, name))).mode & 0o777).toBe(0o640);
  }
});

test('bytes of another encoding stay as they are', async () => {
  const bytes = Buffer.concat([Buffer.from([0x23, 0xe4, 0xff, 0x0a]), Buffer.from("archive_command = 'x'\n")]);
  await write({ 'postgresql.conf': bytes });
  await mangleConfiguration(aRestoreHost(), { dataFolder: folder.path, version: 150_018, recoveryFile: undefined });
  expect((await readFile(join(folder.path, 'postgresql.conf'))).subarray(0, 4)).toEqual(bytes.subarray(0, 4));
});

test.each([
  [150_018, "port = 1\narchive_command = false\narchive_library = ''\n"],
  [140_000, 'port = 1\narchive_command = false\n'],
])('files that are taken in cannot turn archiving on, on version %i', async (version, text) => {
  await write({ 'postgresql.conf': "include_dir 'conf.d'\n", 'postgresql.auto.conf': 'port = 1' });
  const { changes } = await mangleConfiguration(aRestoreHost(), {
    dataFolder: folder.path,
    version: version,
    recoveryFile: undefined,
  });
  expect(await read('postgresql.auto.conf')).toBe(text);
  expect(changes[0]).toEqual({ file: 'postgresql.auto.conf', line: 1, key: 'archive_command', value: 'false' });
});

test('a link is not followed', async () => {
  await write({ elsewhere: "archive_command = 'x'\n" });
  await symlink(join(folder.path, 'elsewhere'), join(folder.path, 'postgresql.conf'));
  expect(
    (await mangleConfiguration(aRestoreHost(), { dataFolder: folder.path, version: 150_018, recoveryFile: undefined }))
      .linkedFiles,
  ).toEqual(['postgresql.conf']);
  expect(await readdir(folder.path)).toEqual(['elsewhere', 'postgresql.auto.conf', 'postgresql.conf']);
  expect(await read('elsewhere')).toBe("archive_command = 'x'\n");
  expect(await read('postgresql.auto.conf')).toContain('archive_command = false\n'); // wherever it is turned on
});

test('settings are appended after an empty line, in UTF-8, with a signal', async () => {
  await write({ 'postgresql.auto.conf': 'port = 1\n' });
  const settings = {
    fileName: 'postgresql.auto.conf',
    isAppended: true,
    neutralised: [],
    lines: ["a = 'ä'", 'b = 1'],
    signalName: 'recovery.signal' as const,
  };
  await writeRecoverySettings(aRestoreHost(), folder.path, settings);
  expect(await read('postgresql.auto.conf')).toBe("port = 1\n\na = 'ä'\nb = 1\n");
  expect(await read('recovery.signal')).toBe('');
});

test('settings never go through a link', async () => {
  await write({ elsewhere: 'x' });
  await symlink(join(folder.path, 'elsewhere'), join(folder.path, 'postgresql.auto.conf'));
  const settings = {
    fileName: 'postgresql.auto.conf',
    isAppended: true,
    neutralised: [],
    lines: ['a = 1'],
    signalName: undefined,
  };
  await expect(writeRecoverySettings(aRestoreHost(), folder.path, settings)).rejects.toMatchObject({
    code: 'destination-unusable',
  });
  expect(await read('elsewhere')).toBe('x');
});
