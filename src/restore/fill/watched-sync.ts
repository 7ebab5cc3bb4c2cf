/**
 * A shell around `sync`: it tells on standard output, immediately and then every second, how many bytes its host has still to write, its own and those of everybody
 * else: the kernel does not tell whose they are. `sync -f` for whole file systems is far cheaper than syncing file after file, and says when a disk failed; before
 * coreutils 8.24 there is only a `sync` of everything.
 */
const script = `program=$1; shift
{
  trap '' PIPE
  while awk '/^(Dirty|Writeback):/ { sum += $2 } END { printf "%.0f\\n", sum * 1024 }' /proc/meminfo; do sleep 1 >/dev/null 2>&1; done
} 2>/dev/null &
ticker=$!
if "$program" --help 2>&1 | grep -q -e '-f'; then "$program" -f -- "$@"; else "$program"; fi
code=$?
kill "$ticker" 2>/dev/null
exit "$code"`;

/** The command line that makes what was written below paths durable. What it prints is read as that of a watched program. */
export function watchedSync(program: string, paths: readonly string[]): readonly string[] {
  return ['sh', '-c', script, 'sh', program, ...paths];
}
