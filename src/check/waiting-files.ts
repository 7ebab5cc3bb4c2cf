import { readdir } from 'node:fs/promises';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { Verdict } from './check.ts';
import { mendedBy } from './remedies.ts';
import { failed } from './verdict.ts';

/** The entries of a channel's folder and is neither hidden nor half written; 0 when the folder is missing. */
async function countWaiting(folder: string): Promise<number> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => !/^\.|\.tmp$|\.partial$/.test(name)).length;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0;
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

/** For a channel that is off: a file there would wait for ever. */
export async function emptyWhenOff(folder: string, option: { name: string; isOn: boolean }): Promise<Verdict | undefined> {
  if (option.isOn || (await countWaiting(folder)) === 0) return undefined;
  return failed(`'${folder}' must be empty when ${option.name}=off`, mendedBy('channel-off', { folder, option: option.name }));
}

/** For a channel that is on: more files than `max_incoming_wals_queue` mean that nobody archives them. */
export async function shortQueue(folder: string, isOn: boolean, most: number | undefined): Promise<Verdict | undefined> {
  if (!isOn || most === undefined) return undefined;
  const count = await countWaiting(folder);
  return count <= most
    ? undefined
    : failed(`there are too many WALs in queue: ${String(count)}, max ${String(most)}`, mendedBy('queue-long', { folder }));
}
