import { readFile, realpath, stat } from 'node:fs/promises';
import { type ChangeSet, type QueuedSet, readChangeQueue, writeChangeQueue } from '../../config/change-queue.ts';
import { editIni } from '../../config/edit-ini.ts';
import type { ConfigurationFiles } from '../../config/load-configuration.ts';
import type { Context } from '../../shared/context.ts';
import { writeFileDurably } from '../../shared/durable-file.ts';
import { isMissing } from '../../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';

/**
 * Writes the queued configuration changes into their files, in order (docs/reference/config-checks-hooks.md section 7). A set leaves the queue when it is
 * written; one that cannot be, and what waits behind it for the same section, stays and is told. The caller holds the lock.
 * @returns names of the sections that were changed
 */
export async function applyChanges(
  queuePath: string,
  files: ConfigurationFiles,
  context: Context,
): Promise<ReadonlySet<string>> {
  const { sets, isMalformed } = await readChangeQueue(queuePath);
  if (isMalformed) context.messages.warning(`Malformed or empty configuration change queue: ${queuePath}`);
  const changed = new Set<string>();
  const values = new Map<string, string>();
  const blocked = new Set<string>();
  let left: readonly QueuedSet[] = sets;
  for (const waiting of sets) {
    const reason = await applyUnless(blocked, waiting.set, { files, values, context });
    if (reason === undefined) {
      left = left.filter((other) => other !== waiting);
      await writeChangeQueue(queuePath, left);
      if (waiting.set !== undefined) changed.add(waiting.set.section);
    } else {
      if (waiting.set !== undefined) blocked.add(waiting.set.section);
      context.messages.error(`a configuration change stays in ${queuePath}: ${reason}`);
    }
  }
  if (isMalformed) await writeChangeQueue(queuePath, []);
  return changed;
}

interface Application {
  readonly files: ConfigurationFiles;
  /** The values that this run has written, by section and option. */
  readonly values: Map<string, string>;
  readonly context: Context;
}

/** @returns why it stays; undefined when it is written */
async function applyUnless(
  blocked: ReadonlySet<string>,
  set: ChangeSet | undefined,
  { files, values, context }: Application,
): Promise<string | undefined> {
  if (set === undefined) return 'it cannot be understood';
  if (blocked.has(set.section)) return `an earlier one of section '${set.section}' could not be written`;
  const stranger = set.changes_set.find(({ config_file: file }) => !files.paths.has(file));
  if (stranger !== undefined) return `${stranger.config_file} is not a file of the configuration`;
  if (set.changes_set.some(({ key, value }) => !/^[a-z_]+$/.test(key) || /[\r\n]/.test(value))) {
    return `it has an option or a value that cannot be written to a file (section '${set.section}')`;
  }
  try {
    for (const { key, value, config_file: file } of set.changes_set)
      await writeOption(file, { section: set.section, key, value });
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return error.message;
  }
  for (const { key, value } of set.changes_set) {
    const place = `${set.section} ${key}`;
    const stood = files.sections.find(({ name }) => name === set.section)?.settings.get(key)?.text;
    // eslint-disable-next-line no-restricted-syntax -- not a report but a line of the log, whose readers know Barman's word
    const before = values.get(place) ?? stood ?? 'None';
    values.set(place, value);
    context.messages.info(
      `Changing value of option '${key}' for section '${set.section}' from '${before}' to '${value}' through config-update.`,
    );
  }
  return undefined;
}

async function writeOption(file: string, edit: Parameters<typeof editIni>[1]): Promise<void> {
  try {
    const { path, content, mode } = await readIfThere(file);
    await writeFileDurably(path, editIni(content, edit), { mode });
  } catch (error) {
    const code = systemCodeOf(error);
    throw new OperatorError('file-unwritable', `cannot write ${file} (${code ?? messageOf(error)})`, {
      hint: 'the user that runs the program must be able to write the file and its folder',
      cause: error,
    });
  }
}

/** A link stays a link: what it points at is replaced. */
async function readIfThere(file: string): Promise<{ readonly path: string; readonly content: string; readonly mode: number }> {
  try {
    const path = await realpath(file);
    const { mode } = await stat(path);
    return { path, content: await readFile(path, 'utf8'), mode: mode & 0o777 };
  } catch (error) {
    if (!isMissing(error)) throw error;
    return { path: file, content: '', mode: 0o600 };
  }
}
