import { requireClientOn } from '../../postgres/remote-client-programs.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import type { Host } from '../../transport/hosts/host.ts';
import { programMissing } from '../../transport/programs/find-program.ts';
import { lastLines, type ProgramResult } from '../../transport/programs/program-result.ts';
import { watched, writtenReader } from '../fill/watched-program.ts';
import { watchedSync } from '../fill/watched-sync.ts';
import type { FoundEntry, RestoreHost } from './restore-host.ts';

/** The exit code of our scripts for a path that does not exist. */
const missing = 44;
/** `/proc/net/unix`: a listening socket has the flag `__SO_ACCEPTCON`, 00010000; its path, blanks and all, ends the line. */
const listeningScript = `wanted=" $1" awk '
  $4 == "00010000" && substr($0, length($0) - length(ENVIRON["wanted"]) + 1) == ENVIRON["wanted"] { found = 1 }
  END { exit !found }' /proc/net/unix || exit ${String(missing)}`;
/** `/proc/net/tcp`: local address and port in hexadecimal digits, state 0A for one that listens. */
const listeningPortScript = `cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -Eq "^ *[0-9]+: [0-9A-F]+:$1 [0-9A-F:]+ 0A " || exit ${String(missing)}`;

/** Another host, looked at and changed by small scripts of a POSIX shell and the programs of GNU coreutils. */
export function remoteRestoreHost(host: Host, signal: AbortSignal): RestoreHost {
  const script = async (text: string, ...words: string[]): Promise<ProgramResult> => {
    const result = await host.run(['sh', '-c', text, 'sh', ...words], { signal });
    throwIfInterrupted(signal);
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
    login: host.login,
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
    moveInto: async (folder, paths) => {
      await changing(`move files to ${folder}`, 'folder=$1; shift; mv -t "$folder" -- "$@"', folder, ...paths);
    },
    link: async (target, path) => {
      await changing(`link ${path} to ${target}`, 'rm -f -- "$2" && ln -s -T -- "$1" "$2"', target, path);
    },
    linkTarget: async (path) => {
      const found = await asking(`look at ${path}`, `[ -L "$1" ] || exit ${String(missing)}; readlink -- "$1"`, path);
      return found?.replace(/\n$/, '');
    },
    remove: async (path) => {
      // also what an interrupted restore leaves behind, so not stopped by the signal that interrupted it
      const result = await host.run(['rm', '-rf', '--', path]);
      if (result.exitCode !== 0) throw refused(host, 'file-unwritable', `remove ${path}`, result);
    },
    isWritable: async (path) => {
      const text = `p=$1; while [ ! -e "$p" ]; do p=$(dirname -- "$p"); done; [ -w "$p" ] && [ -x "$p" ] || exit ${String(missing)}`;
      return (await asking(`look at ${path}`, text, path)) !== undefined;
    },
    sizesBelow: async (path) => {
      const text = `[ -d "$1" ] || exit ${String(missing)}; find -H "$1" -type f -printf '%s %P\\0'`;
      const lines = (await asking(`look at ${path}`, text, path))?.split('\0') ?? [];
      return new Map(
        lines.flatMap((line) => (line === '' ? [] : [[line.slice(line.indexOf(' ') + 1), Number.parseInt(line, 10)]])),
      );
    },
    linksBelow: async (path) => {
      const text = `[ -d "$1" ] || exit ${String(missing)}; find -H "$1" -mindepth 1 -type l -printf '%P\\0%l\\0'`;
      const words = (await asking(`look at ${path}`, text, path))?.split('\0') ?? [];
      return new Map(words.flatMap((name, index) => (index % 2 === 0 && name !== '' ? [[name, words[index + 1] ?? '']] : [])));
    },
    spaceAt: async (path) => {
      const text = 'p=$1; while [ ! -e "$p" ]; do p=$(dirname -- "$p"); done; df -P -B1 -- "$p" | tail -n 1';
      const line = (await asking(`tell the free space of ${path}`, text, path)) ?? '';
      const [, device = '', free] = /^(.*?)\s+\d+\s+\d+\s+(\d+)\s+\d+%/.exec(line) ?? [];
      return { fileSystem: device, freeBytes: Number(free ?? 0) };
    },
    folderOfProcess: async (pid) => {
      const text = `[ -d "/proc/$1" ] || exit ${String(missing)}; readlink "/proc/$1/cwd" || echo unknown`;
      return (await asking('look at processes', text, String(pid)))?.trim();
    },
    // a socket can only be tried by a program that may not be there; the kernel's list has those that listen
    listensOn: async (path) => (await asking('look at sockets', listeningScript, path)) !== undefined,
    listensOnPort: async (port) => {
      const hex = port.toString(16).toUpperCase().padStart(4, '0');
      return (await asking('look at ports', listeningPortScript, hex)) !== undefined;
    },
    requireProgram: async (name, neededFor) => {
      const found = await asking('look for programs', `command -v -- "$1" || exit ${String(missing)}`, name);
      if (found === undefined) throw programMissing(name, neededFor, { host: host.label });
      return found.trim();
    },
    requireClient: async (name, serverVersion) => await requireClientOn(host, name, serverVersion),
    run: async (argv, onWritten = ignore) => {
      const result = await host.run(watched(argv), { signal, onStdout: writtenReader(onWritten) });
      throwIfInterrupted(signal);
      return { ...result, argv };
    },
    sync: async (paths, onUnwritten = ignore) => {
      const result = await host.run(watchedSync('sync', paths), { signal, onStdout: writtenReader(onUnwritten) });
      throwIfInterrupted(signal);
      if (result.exitCode !== 0) throw refused(host, 'file-unwritable', 'sync', result);
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

function ignore(): void {
  // nobody wants to know
}
