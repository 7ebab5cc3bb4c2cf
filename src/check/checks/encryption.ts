import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { methodOf } from '../../config/backup-methods.ts';
import type { Server } from '../../config/server.ts';
import { encryptFile } from '../../encryption/gpg.ts';
import { expectedFailureOf } from '../../shared/operator-error.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** Encryption is set up completely, and something can be encrypted with that key. */
export const encryption: Check = {
  name: 'encryption',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning:
    'Only with `encryption` set: a requirement is missing, or gpg cannot encrypt for the key; the hint ends with the message of gpg.',
  remedies: ['encryption-incomplete', 'key-unusable'],
  async run({ server }, { context: { signal } }) {
    if (server.config.options.encryption === undefined) return undefined;
    const missing = missingSettings(server);
    if (missing.length > 0) {
      const remedy = mendedBy('encryption-incomplete', { missing: missing.join(', '), settings: settingsFor(missing) });
      return { ...failed(`encryption = gpg needs ${missing.join(', ')}`, remedy), asBarman: barmansWords(missing[0] ?? '') };
    }
    const problem = await tryEncryption(server, signal);
    const recipient = server.config.options.encryption_key_id ?? '';
    if (problem === undefined) return passed();
    const asBarman = 'encryption test failed. Check the log file for more details';
    return { ...failed(problem, mendedBy('key-unusable', { recipient })), asBarman };
  },
};

/** A whole line for each: a missing value is shown with one that does. */
function settingsFor(missing: readonly string[]): string {
  const example: Readonly<Record<string, string>> = {
    encryption_key_id: 'encryption_key_id = …',
    backup_compression: 'backup_compression = gzip',
  };
  return missing.map((setting) => example[setting] ?? setting).join('\n');
}

/** Barman's text, which names the first of them. */
function barmansWords(missing: string): string {
  const [key = '', value] = missing.split(' = ');
  return `Encryption is set as gpg, but ${value === undefined ? `${key} is unset` : `${key} != ${value}`}`;
}

/** The settings that encryption requires (docs/reference/catalog.md section 9). */
function missingSettings({ config: { options } }: Server): readonly string[] {
  return [
    ...(options.encryption_key_id === undefined ? ['encryption_key_id'] : []),
    ...(methodOf(options).streams ? [] : ['backup_method = postgres']),
    ...(options.backup_compression === undefined ? ['backup_compression'] : []),
    ...(options.backup_compression_format === 'tar' ? [] : ['backup_compression_format = tar']),
  ];
}

async function tryEncryption(server: Server, signal: AbortSignal): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pgcellar-check-'));
  try {
    const clear = join(folder, 'clear');
    await writeFile(clear, 'pgcellar');
    await encryptFile(clear, join(folder, 'encrypted'), {
      recipient: server.config.options.encryption_key_id ?? '',
      path: server.programPath,
      environment: server.environment,
      signal,
    });
    return undefined;
  } catch (error) {
    const failure = expectedFailureOf(error);
    if (failure === undefined) throw error;
    return failure.message.replaceAll(`${folder}/`, '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
