import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Waits on its standard input for the id of a process, then for a word. When the input ends without one, it ends that process and all below
 * it, first gently, after ten seconds by force. Each is stopped before its children are looked for, so that none starts another in
 * between; its start time tells it from a later process of the same number (proc(5), field 22).
 */
const watching = `
trap '' INT TERM HUP
read -r root || exit 0
read -r word && exit 0
all=
note() {
  { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 0
  kill -STOP "$1" 2>/dev/null
  set -- "$1" \${line##*') '}
  all="$all $1:\${21}"
  for stat in /proc/[0-9]*/stat; do
    { read -r line < "$stat"; } 2>/dev/null || continue
    set -- "$1" \${line##*') '}
    [ "$3" != "$1" ] || note "\${line%% *}"
  done
}
lives() {
  { read -r line < "/proc/\${1%:*}/stat"; } 2>/dev/null || return 1
  set -- "$1" \${line##*') '}
  [ "$2" != Z ] && [ "\${21}" = "\${1#*:}" ]
}
some() { for one in $all; do lives "$one" && return 0; done; return 1; }
note "$root"
for one in $all; do kill -TERM "\${one%:*}"; kill -CONT "\${one%:*}"; done 2>/dev/null
tries=0
while [ "$tries" -lt 100 ] && some; do sleep 0.1; tries=$((tries + 1)); done
for one in $all; do lives "$one" && kill -KILL "\${one%:*}"; done 2>/dev/null
`;

/** Somebody beside us who ends a program with all that it started: when we say so, or when we are killed. */
export interface Survivor {
  /** The program that is watched from now on. */
  watch(pid: number): void;
  /** Ends it with all that it started. */
  end(): void;
  /** The program has ended by itself; what it left behind on purpose stays. */
  dismiss(): void;
}

/**
 * For programs that start others, such as scripts: the kernel would tell only the program itself that we were killed. Must be there before
 * the program starts.
 */
export async function startSurvivor(environment: Readonly<Record<string, string>>): Promise<Survivor> {
  const child = spawn('/bin/sh', ['-c', watching], { env: environment, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  child.unref();
  const { stdin } = child;
  stdin.on('error', () => undefined); // killed by somebody: the program is then on its own
  return {
    watch: (pid) => void stdin.write(`${String(pid)}\n`),
    end: () => void stdin.end(),
    dismiss: () => {
      if (stdin.writable) stdin.end('done\n');
    },
  };
}
