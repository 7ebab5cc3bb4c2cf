import { mkdir, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { writeFileDurably } from '../../shared/durable-file.ts';
import type { Environment } from '../../shared/environment.ts';
import { isMissing, unreadable } from '../../shared/look.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { runProgram } from '../programs/run-program.ts';
import type { Host } from './host.ts';

/** The machine we run on. */
export function localHost(environment: Environment): Host {
  return {
    label: 'this host',
    isRemote: false,
    login: undefined,
    run: (argv, { input, signal, onStdout } = {}) =>
      runProgram(argv, {
        environment,
        ...(input === undefined ? {} : { input }),
        ...(signal === undefined ? {} : { signal }),
        ...(onStdout === undefined ? {} : { onStdout }),
      }),
    readFile: async (path) =>
      await reading(path, async () => {
        const { mode, mtime } = await stat(path);
        return { content: await readFile(path), mode: mode & 0o7777, modifiedAt: mtime };
      }),
    writeFile: async (path, content, { mode }) => {
      await writing(path, () => writeFileDurably(path, content, { mode }));
    },
    makeFolder: async (path, { mode }) => {
      await writing(path, () => mkdir(path, { recursive: true, mode }));
    },
    list: async (path) => await reading(path, async () => (await readdir(path)).toSorted()),
    freeBytes: async (path) => {
      const free = await reading(path, () => statfs(path));
      if (free === undefined) throw new OperatorError('file-unreadable', `${path} does not exist`);
      return free.bavail * free.bsize;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unreadable(path, error);
  }
}

async function writing(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new OperatorError('file-unwritable', `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
