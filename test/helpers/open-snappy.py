"""Opens a file in the framing format of snappy with Google's own library, from standard input to standard output.

No system has a program for it as a matter of course, and the one that comes with Debian 12's python3-snappy does not run on its Python.
"""

import ctypes
import sys

library = ctypes.CDLL("libsnappy.so.1")
whole = sys.stdin.buffer.read()
at = 0
while at < len(whole):
    kind = whole[at]
    length = int.from_bytes(whole[at + 1 : at + 4], "little")
    body = whole[at + 4 : at + 4 + length]
    at += 4 + length
    if len(body) != length:
        sys.exit("it is cut off")
    if kind == 0x01:
        sys.stdout.buffer.write(body[4:])
    elif kind == 0x00:
        size = ctypes.c_size_t(65536)
        plain = ctypes.create_string_buffer(size.value)
        status = library.snappy_uncompress(body[4:], ctypes.c_size_t(length - 4), plain, ctypes.byref(size))
        if status != 0:
            sys.exit(f"snappy_uncompress says {status}")
        sys.stdout.buffer.write(plain.raw[: size.value])
    elif kind < 0x80:
        sys.exit(f"an unknown chunk {kind}")
