import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalStorage } from '../../encryption/stored-wal.ts';
import { isMissing } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { findLosses, type Loss, labelLoss } from '../guards/find-losses.ts';
import { type BackupSource, dataFolder, type SourceMember, tablespaceFolder, tablespaceOids } from './backup-source.ts';
import { PackedContent } from './packed-content.ts';
import { readPlainContent } from './read-plain-content.ts';
import { readTar } from './read-tar.ts';
import { controlFile } from './restored-files.ts';
import type { SourceContent, WantedContent } from './source-content.ts';
import { findTarFiles } from './tar-files.ts';

/** Reads what is in backups, each once. */
export class SourceReader {
  readonly #storage: WalStorage;
  readonly #wanted: WantedContent;
  readonly #contents = new Map<string, Promise<SourceContent>>();

  /** @param wanted configuration files that will be asked for, and whether the size of each single file will */
  constructor(storage: WalStorage, wanted: WantedContent) {
    this.#storage = storage;
    this.#wanted = wanted;
  }

  /**
   * Measures the trees of a backup and reads its configuration.
   * @throws OperatorError `backup-not-usable` when files of the backup are missing or damaged, `decryption-failed`
   */
  async read(source: BackupSource): Promise<SourceContent> {
    const { id } = source.leaf.backup;
    const known = this.#contents.get(id);
    if (known !== undefined) return await known;
    const reading = this.#readContent(source);
    this.#contents.set(id, reading);
    return await reading;
  }

  /**
   * Opens the tar file of a member: a program, a passphrase or a key that reading it needs is asked for now.
   * @throws OperatorError `program-missing`, `decryption-failed` or `backup-not-usable`
   */
  async requireReadable(member: SourceMember): Promise<void> {
    const { data } = await findTarFiles(member);
    await readTar(data, this.#storage, () => Promise.resolve('stop'));
  }

  async #readContent({ members, leaf }: BackupSource): Promise<SourceContent> {
    for (const member of members) await requireComplete(member);
    const losses: Loss[] = [];
    for (const member of members) losses.push(...(await findLosses(member)));
    if (leaf.form === 'plain') return { ...(await readPlainContent(leaf, this.#wanted)), losses };
    try {
      const { hasLabel, ...content } = await new PackedContent(this.#storage, this.#wanted).read(members, leaf);
      return { ...content, losses: hasLabel ? losses : [...losses, labelLoss(leaf)] };
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code === 'interrupted') throw error;
      throw losses.find(({ isDoubt }) => isDoubt !== true)?.error ?? error; // why it cannot be read
    }
  }
}

/** A record alone restores nothing: told before the destination is touched. */
async function requireComplete(member: SourceMember): Promise<void> {
  if (member.form === 'tar') {
    await findTarFiles(member);
    return;
  }
  for (const path of [
    join(dataFolder(member), controlFile),
    ...tablespaceOids(member).map((oid) => tablespaceFolder(member, oid)),
  ]) {
    try {
      await lstat(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new OperatorError('backup-not-usable', `backup ${member.backup.id} is not complete: ${path} is missing`, {
        hint: 'restore from another backup',
      });
    }
  }
}
