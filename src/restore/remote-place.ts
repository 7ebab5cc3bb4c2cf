import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/host.ts';
import { lastLines, type ProgramResult } from '../transport/program-result.ts';
import type { FoundEntry, Place } from './place.ts';

/** What a script of ours ends with for a path that is not there. */
const missing = 44;
const isBtrfs = 'btrfs';

/** Another host, looked at and changed by small scripts of a POSIX shell and the programs of GNU coreutils. */
export function remotePlace(host: Host, signal: AbortSignal): Place {
  const script = async (text: string, ...words: string[]): Promise<ProgramResult> => {
    const result = await host.run(['sh', '-c', text, 'sh', ...words], { signal });
    if (signal.aborted) throw new OperatorError('interrupted', 'interrupted by a signal');
    return result;
  };
  const changing = async (what: string, text: string, ...words: string[]): Promise<void> => {
    const result = await script(text, ...words);
    if (result.exitCode !== 0) throw refused(host, 'file-unwritable', what, result);
  };
  const asking = async (what: string, text: string, ...words: string[]): Promise<string | undefined> => {
    const result = await script(text, ...words);
    if (result.exitCode === missing) return undefined;
    if (result.exitCode !== 0) throw refused(host, 'file-unreadable', what, result);
    return result.stdout;
  };
  const exists = `[ -e "$1" ] || [ -L "$1" ] || exit ${String(missing)}; `;
  return {
    kind: 'remote',
    find: async (path) => foundEntry(await asking(`look at ${path}`, `${exists}stat -c '%a %F' -- "$1"`, path)),
    namesIn: async (path) => {
      const text = `${exists}[ -d "$1" ] || { echo ENOTDIR >&2; exit 1; }; find -H "$1" -mindepth 1 -maxdepth 1 -print0`;
      const found = await asking(`look at ${path}`, text, path);
      return found
        ?.split('\0')
        .filter((one) => one !== '')
        .map((one) => one.slice(one.lastIndexOf('/') + 1));
    },
    realPath: async (path) => (await asking(`look at ${path}`, 'realpath -m -- "$1"', path))?.replace(/\n$/, '') ?? path,
    readFile: async (path) => {
      const found = await host.readFile(path);
      if (found === undefined) throw new OperatorError('file-unreadable', `cannot read ${path} on ${host.label}: ENOENT`);
      return found.content;
    },
    writeFile: async (path, content, mode) => {
      await host.writeFile(path, content, { mode });
    },
    makeFolder: async (path) => {
      await host.makeFolder(path, { mode: 0o700 });
    },
    rename: async (from, to) => {
      await changing(`rename ${from} to ${to}`, 'mv -T -- "$1" "$2"', from, to);
    },
    link: async (target, path) => {
      await changing(`link ${path} to ${target}`, 'rm -f -- "$2" && ln -s -T -- "$1" "$2"', target, path);
    },
    linkTarget: async (path) => {
      const found = await asking(`look at ${path}`, `[ -L "$1" ] || exit ${String(missing)}; readlink -- "$1"`, path);
      return found?.replace(/\n$/, '');
    },
    remove: async (path) => {
      await changing(`remove ${path}`, 'rm -rf -- "$1"', path);
    },
    spaceAt: async (path) => {
      const text =
        'p=$1; while [ ! -e "$p" ]; do p=$(dirname -- "$p"); done; df -P -B1 -- "$p" | tail -n 1; stat -f -c %T -- "$p"';
      const [line = '', type = ''] = (await asking(`tell the free space of ${path}`, text, path))?.split('\n') ?? [];
      const [, device = '', free] = /^(.*?)\s+\d+\s+\d+\s+(\d+)\s+\d+%/.exec(line) ?? [];
      return { fileSystem: device, freeBytes: Number(free ?? 0), sharesBlocks: type.trim() === isBtrfs };
    },
    folderOfProcess: async (pid) => {
      const text = `[ -d "/proc/$1" ] || exit ${String(missing)}; readlink "/proc/$1/cwd" || echo unknown`;
      return (await asking('look at processes', text, String(pid)))?.trim();
    },
    // a socket can only be tried by a program that may not be there; the process id says enough
    listensOn: async () => await Promise.resolve(false),
    sync: async (paths) => {
      await changing('sync', 'sync -f -- "$@" || sync', ...paths);
    },
  };
}

function foundEntry(text: string | undefined): FoundEntry | undefined {
  if (text === undefined) return undefined;
  const [, mode = '', type = ''] = /^(\d+) (.*)/.exec(text) ?? [];
  const kind = type.startsWith('regular')
    ? 'file'
    : type === 'directory'
      ? 'folder'
      : type === 'symbolic link'
        ? 'link'
        : 'other';
  return { kind, mode: Number.parseInt(mode, 8) };
}

function refused(host: Host, code: 'file-unreadable' | 'file-unwritable', what: string, result: ProgramResult): OperatorError {
  const said = lastLines(result.stderr, 2) || `exit code ${String(result.exitCode)}`;
  return new OperatorError(code, `cannot ${what} on ${host.label}: ${said}`);
}
