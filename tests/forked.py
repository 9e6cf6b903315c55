"""Python programs that use the client, without the time that its imports take: most of each run.

With the fixture ``forking`` there is a process that has imported the client, and ``python`` is a
command that is used like an interpreter's: ``[*python, "-m", "chatroom", ...]`` or
``[*python, "bot.py", ...]``. Each run is a process of its own, forked from that one, with the
standard files, folder and environment of who ran it. It has not their terminal, signals and
resource limits, nor obeys ``PYTHON...`` variables: tests of these, and of standard files that are
closed, start a whole interpreter.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: What is run in place of a whole interpreter, in a few milliseconds.
RUN = """
import json, os, signal, socket, sys
to = socket.socket(socket.AF_UNIX)
to.connect(sys.argv[1])
asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(to, [len(asked).to_bytes(4, "big")], [0, 1, 2])
to.sendall(asked)
for number in range(3):
    os.close(number)
status = int(to.makefile().read())
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


#: The command; without the fixture an interpreter.
python = [sys.executable]


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Have a process that has all imported, and its forks run what ``python`` runs."""
    with tempfile.TemporaryDirectory(prefix="chatroom-") as folder:
        address = f"{folder}/python"
        with subprocess.Popen(
            [sys.executable, "-m", "tests.forked", address], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            python[1:] = ["-I", "-S", "-c", RUN, address]
            try:
                yield
            finally:
                del python[1:]
                process.terminate()


def main(address: str) -> None:
    """Give each that connects a process of its own."""
    importlib.import_module("chatroom.terminal.running")
    # Which reactor it is, each program chooses for itself.
    assert "twisted.internet.reactor" not in sys.modules
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    connection, _ = listener.accept()
    while os.fork():
        connection.close()
        connection, _ = listener.accept()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    listener.close()
    serve(connection)


def serve(connection: socket.socket) -> None:
    """Run what is asked for in a process of its own, and say how that ended."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as asked:
        argv, folder, environ = json.loads(asked.read(int.from_bytes(size, "big")))
    ended, lives = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ended)
        connection.close()
        become(files)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        run(argv)
        return
    for number in (lives, *files):
        os.close(number)
    # If who asked for it is gone, nobody waits for it any more.
    gone, _, _ = select.select([connection.fileno(), ended], [], [])
    if connection.fileno() in gone:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def become(files: list[int]) -> None:
    """Have these as standard input, output and errors."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def run(argv: list[str]) -> None:
    """What an interpreter does with these arguments."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    elif argv[0] == "-c":
        sys.argv = ["-c", *argv[2:]]
        exec(argv[1], {"__name__": "__main__"})
    else:
        sys.argv = argv
        sys.path[0] = str(Path(argv[0]).parent)
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
