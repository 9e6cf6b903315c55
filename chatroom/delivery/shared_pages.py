"""Sends the same bytes to many sockets without a copy for each, where the system can do that.

`socket.send` copies what it is given into pages of each socket's own: for 12 KiB to a thousand
sockets that is 12 MB of copying, which drives everything else out of the processor's caches.
`os.sendfile` from a file in memory gives all of them the same pages. Linux only. On loopback,
sending 12 KiB this way takes a fifth less CPU, 50 KiB nearly half; below 3 KiB a copy is cheaper
(``benchmarks/README.md``).
"""

from __future__ import annotations

import os
from collections.abc import Sized

#: Bytes from which on sharing costs less than copying ...
SHARED_FROM = 4096
#: ... and the number of sockets from which on the cost of the file is made up for.
SHARED_AMONG = 8


def in_memory(data: bytes) -> int | None:
    """The descriptor of a file that holds ``data``, for the caller to close; None: not possible.

    Sockets refer to its pages until these are sent and acknowledged, also once the file is closed;
    so a file is written once and never again.
    """
    if not hasattr(os, "memfd_create"):
        return None
    file = -1
    try:
        file = os.memfd_create("chatroom", os.MFD_CLOEXEC)
        if os.write(file, data) == len(data):
            return file
    except OSError:
        # No descriptor or memory left, or not allowed: each socket gets a copy instead.
        pass
    if file >= 0:
        os.close(file)
    return None


def worth_sharing(data: bytes, among: Sized) -> bool:
    """Whether it costs less to share ``data`` than to copy it for each."""
    return len(data) >= SHARED_FROM and len(among) >= SHARED_AMONG
