/**
 * A shell around a program: it tells on standard output, once a second, how many bytes the program has written so far (`/proc/PID/io`), and ends it when nobody
 * listens any more: sshd does not end what runs when its connection is gone. What the program prints goes to standard error.
 */
const script = `program= ended=
trap 'ended=yes; [ -z "$program" ] || kill "$program" 2>/dev/null' TERM HUP INT
"$@" >&2 &
program=$!
[ -z "$ended" ] || kill "$program" 2>/dev/null # it was told to stop before it knew whom to tell
(
  trap '' PIPE
  while sleep 1 >/dev/null 2>&1 && kill -0 "$program"; do
    bytes=0
    while read -r key value; do if [ "$key" = wchar: ]; then bytes=$value; fi; done <"/proc/$program/io"
    echo "$bytes" || { kill "$program"; exit; }
  done
) 2>/dev/null &
ticker=$!
wait "$program"
code=$?
wait "$program" 2>/dev/null # a signal ends the first wait
kill "$ticker" 2>/dev/null
exit "$code"`;

/** The command line that runs a program so; see {@link writtenReader} for what it prints. */
export function watched(argv: readonly string[]): readonly string[] {
  return ['sh', '-c', script, 'sh', ...argv];
}

/** Reads what a watched program prints. */
export function writtenReader(onWritten: (bytes: number) => void): (chunk: Buffer) => void {
  let open = '';
  return (chunk) => {
    const lines = `${open}${chunk.toString('latin1')}`.split('\n');
    open = lines.pop() ?? '';
    for (const line of lines) if (/^\d+$/.test(line)) onWritten(Number(line));
  };
}
