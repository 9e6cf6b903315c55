"""What is typed arrives whole or not at all, also where the terminal hands over whole lines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.terminal.processes import IN, Terminal, chat, command, log_in

pytestmark = pytest.mark.usefixtures("forking")

#: In bytes more than a terminal keeps of a line, in characters fewer than a message may have.
LONG = "好" * 2000
#: The longest that fits.
FITS = "好" * 1364


@pytest.fixture(params=["dumb", "piped", "xterm"])
def terminal(server: str, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    piped = ("sh", "-c", '"$0" "$@" | cat') if request.param == "piped" else ()
    term = "dumb" if request.param == "dumb" else "xterm"
    terminal = Terminal(*piped, *command(server), TERM=term)
    terminal.lines = request.param != "xterm"  # type: ignore[attr-defined]
    log_in(terminal)
    yield terminal
    terminal.kill()


def test_a_line_that_the_terminal_cuts_is_not_sent(server: str, terminal: Terminal) -> None:
    cuts = terminal.lines  # type: ignore[attr-defined]
    terminal.type("2\r")
    terminal.until("everybody")
    terminal.type(LONG)
    terminal.type("\r")
    terminal.until("write it in several" if cuts else "Sent")
    terminal.type("2\r")
    terminal.until("everybody")
    terminal.type(FITS + "\r")
    terminal.until("Sent")
    said = chat(server, IN + "3\n4\n").stdout
    sent = [line.rpartition("\t")[2] for line in said.splitlines() if "好" in line]
    assert sent[-2 + cuts :] == [LONG, FITS][cuts:]
    assert {*sent} <= {LONG, FITS}


def test_a_pipe_cuts_nothing(server: str) -> None:
    done = chat(server, IN + f"2\n{LONG * 2}\n4\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert LONG * 2 in chat(server, IN + "3\n4\n").stdout
