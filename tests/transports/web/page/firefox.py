"""Firefox for Playwright: the system's, over WebDriver BiDi.

Playwright begins with a command that Firefox does not have as yet, and takes the refusal for a
failure. So what it starts is this program, which starts Firefox, stands between the two, and calls
that one refusal a success.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import signal
import sys
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from contextlib import suppress
from functools import partial
from pathlib import Path

#: What a Firefox is called, by system.
NAMES = ("firefox-esr", "firefox")
_LISTENING = re.compile(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")
_NOT_THERE = b"emulation.setMediaFeaturesOverride"


def find_firefox() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def stand_in(path: str, folder: Path) -> Path:
    """A program for Playwright to start instead of the Firefox at ``path``."""
    program = folder / "firefox"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__, path])} "$@"\n')
    program.chmod(0o755)
    return program


async def _run(command: list[str]) -> int:
    firefox = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, firefox.terminate)
    assert firefox.stderr is not None
    while line := await firefox.stderr.readline():
        if found := _LISTENING.search(line):
            relaying = partial(_relay, int(found[1]))
            relay = await asyncio.start_server(relaying, "127.0.0.1")
            own = relay.sockets[0].getsockname()[1]
            line = line.replace(found[1], b"%d" % own)
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    return await firefox.wait()


async def _relay(port: int, reader: StreamReader, writer: StreamWriter) -> None:
    from_firefox, to_firefox = await asyncio.open_connection("127.0.0.1", port)
    # Firefox answers only who asks for its own port.
    head = await reader.readuntil(b"\r\n\r\n")
    to_firefox.write(re.sub(rb"(?i)(\r\nhost: *127\.0\.0\.1:)\d+", rb"\g<1>%d" % port, head))

    async def there() -> None:
        while data := await reader.read(65536):
            to_firefox.write(data)
        to_firefox.close()

    async def back() -> None:
        writer.write(await from_firefox.readuntil(b"\r\n\r\n"))
        with suppress(IncompleteReadError):
            while True:
                writer.write(await _frame(from_firefox))
        writer.close()

    await asyncio.gather(there(), back())


async def _frame(from_firefox: StreamReader) -> bytes:
    """The next one of the WebSocket. What comes from a server is not masked."""
    head = await from_firefox.readexactly(2)
    size = head[1]
    if size > 125:
        longer = await from_firefox.readexactly(2 if size == 126 else 8)
        head, size = head + longer, int.from_bytes(longer, "big")
    text = await from_firefox.readexactly(size)
    if _NOT_THERE in text and (answer := json.loads(text))["type"] == "error":
        succeeded = {"type": "success", "id": answer["id"], "result": {}}
        text = json.dumps(succeeded).encode().ljust(size)
    return head + text


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(sys.argv[1:])))
