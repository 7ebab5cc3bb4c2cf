import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inheritedMarks } from './marked-processes.ts';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder } from './temporary-folder.ts';

/** A key ring of its own with one key, whose secret half asks for its passphrase every time. */
export interface GpgHome extends AsyncDisposable {
  readonly path: string;
  /** As `gpg --recipient` takes it. */
  readonly keyId: string;
  readonly passphrase: string;
  /** A file whose content is the passphrase and a newline. */
  readonly passphraseFile: string;
  /** What the standard program says. */
  gpg(words: readonly string[], input?: string): Promise<string>;
}

export async function createGpgHome(): Promise<GpgHome> {
  const folder = await createTemporaryFolder('gpg');
  const path = join(folder.path, 'ring');
  const passphrase = 'open sesame "$HOME" äöü';
  const passphraseFile = join(folder.path, 'passphrase');
  const env = { ...inheritedMarks(), PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', GNUPGHOME: path };
  await mkdir(path, { mode: 0o700 });
  await writeFile(join(path, 'gpg-agent.conf'), 'default-cache-ttl 0\nmax-cache-ttl 0\n');
  await writeFile(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  const gpg = async (words: readonly string[], input?: string): Promise<string> => {
    const argv = ['gpg', '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase-file', passphraseFile, ...words];
    const { exitCode, stdout, stderr } = await runProgram(argv, { env, ...(input === undefined ? {} : { input }) });
    if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${String(exitCode)}: ${stderr}`);
    return stdout;
  };
  const keyId = 'wal@example.org';
  await gpg(['--quick-generate-key', keyId, 'future-default', 'default', 'never']);
  return {
    path,
    keyId,
    passphrase,
    passphraseFile,
    gpg,
    [Symbol.asyncDispose]: async () => {
      await runProgram(['gpgconf', '--kill', 'all'], { env }); // the agent would stay
      await folder[Symbol.asyncDispose]();
    },
  };
}
