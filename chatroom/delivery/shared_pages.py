"""The same bytes for many sockets without a copy for each, where the system can do that.

`socket.send` copies what it is given into pages of each socket's own: for 12 KiB to a thousand
sockets that is 12 MB of copying, and everything else is driven out of the processor's caches by it.
`os.sendfile` from a file in memory gives all of them the same pages. Linux only. On loopback,
sending 12 KiB takes a fifth less CPU so, 50 KiB nearly half; below 3 KiB it is dearer than a copy
(``benchmarks/README.md``).
"""

from __future__ import annotations

import os
from collections.abc import Sized

#: Bytes from which on sharing costs less than copying ...
SHARED_FROM = 4096
#: ... and the number of sockets, which have to make up for the file.
SHARED_AMONG = 8


def in_memory(data: bytes) -> int | None:
    """A file that holds ``data``, as a descriptor for the caller to close; None: not to be had.

    What a socket has taken of it stays there until it was sent and acknowledged, also once the
    file is closed; so a file is written once and never again.
    """
    if not hasattr(os, "memfd_create"):
        return None
    file = -1
    try:
        file = os.memfd_create("chatroom", os.MFD_CLOEXEC)
        if os.write(file, data) == len(data):
            return file
    except OSError:
        # No descriptor or no memory left, or not allowed here: a copy for each will do.
        pass
    if file >= 0:
        os.close(file)
    return None


def worth_sharing(data: bytes, among: Sized) -> bool:
    """Whether it costs less to share ``data`` than to copy it for each."""
    return len(data) >= SHARED_FROM and len(among) >= SHARED_AMONG
