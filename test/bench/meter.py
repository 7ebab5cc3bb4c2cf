"""Starts programs for meter.ts: one JSON line in, one out. The kernel counts for us (wait4): time, CPU and peak memory of a program
and of the children that it waited for; Node has no call for that."""

import json
import os
import sys
import time

for line in sys.stdin:
    order = json.loads(line)
    argv, cwd, env = order["argv"], order["cwd"], order["env"]
    opens = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, order["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    ]
    os.chdir(cwd)
    os.environ["PATH"] = env.get("PATH", os.defpath)
    started = time.monotonic()
    try:
        pid = os.posix_spawnp(argv[0], argv, env, file_actions=opens, setsid=False)
    except OSError as error:
        print(json.dumps({"failure": str(error)}), flush=True)
        continue
    _, status, usage = os.wait4(pid, 0)
    answer = {
        "exitCode": os.waitstatus_to_exitcode(status),
        "wallMs": (time.monotonic() - started) * 1000,
        "cpuSeconds": usage.ru_utime + usage.ru_stime,
        "peakBytes": usage.ru_maxrss * 1024,
    }
    print(json.dumps(answer), flush=True)
