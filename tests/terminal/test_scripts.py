"""Scripts through real pipes: all is done, or the status is 1 and one line says why."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.lab import environment
from tests.terminal.processes import IN, SECONDS, altered, command, forked

#: What only reads and writes runs in a fork; what a shell arranges, by a whole interpreter.
pytestmark = pytest.mark.usefixtures("forking")

SPEAKS = IN + "2\nhello\n4\n"
SENT = b"\nSent\n"


Ran = subprocess.CompletedProcess[bytes]


def run(server: str, script: str | bytes = b"", **options: Any) -> Ran:
    """Run a script through a pipe, unless ``stdin`` says otherwise."""
    if "stdin" not in options:
        options["input"] = script.encode() if isinstance(script, str) else script
    if "stdout" not in options:
        options["stdout"] = subprocess.PIPE
    return subprocess.run(
        forked(server), stderr=subprocess.PIPE, timeout=SECONDS, check=False, **options
    )


def shell(server: str, line: str, script: str = "") -> Ran:
    """Run ``line`` in a shell; ``"$@"`` is the command."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *command(server)],
        input=script.encode(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
        # What measures coverage could not write where the menus can't.
        env=environment(),
    )


def assert_works(ran: Ran) -> None:
    assert (ran.returncode, ran.stderr) == (0, b"")


def assert_fails(ran: Ran, why: str) -> None:
    assert ran.returncode == 1
    errors = ran.stderr.decode()
    assert re.search(why, errors), errors
    assert errors.count("\n") == 1
    assert errors.endswith("\n")


# ---------------------------------------------------------------- output


def test_output_to_a_full_disk_fails(server: str) -> None:
    with Path("/dev/full").open("wb") as full:
        assert_fails(
            run(server, SPEAKS, stdout=full), r"^The output can't be written \(is the disk"
        )
        assert_fails(run(server, "", stdout=full), "^The output can't be written")


def test_output_that_does_not_fit_fails_also_when_all_was_done(server: str, tmp_path: Path) -> None:
    whole = run(server, SPEAKS).stdout
    kib = len(whole) // 1024 + 1
    file = tmp_path / "out"
    # One byte less room than is needed.
    file.write_bytes(b"." * (kib * 1024 - len(whole) + 1))
    limited = f'trap "" XFSZ; ulimit -f {kib}; exec "$@" >>{file}'
    assert_fails(shell(server, limited, SPEAKS), "^The output can't be written")
    assert SENT in file.read_bytes()


def test_output_that_was_closed_is_no_output(server: str) -> None:
    assert_works(shell(server, '"$@" >&-', SPEAKS))
    assert "hello" in run(server, IN + "3\n4\n").stdout.decode()


def test_a_reader_that_goes_before_all_is_done_fails(server: str) -> None:
    process = subprocess.Popen(
        forked(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdin is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write((IN + "2\nnever said\n4\n").encode())
    process.stdin.close()
    errors = process.stderr.read()
    process.stderr.close()
    ran = subprocess.CompletedProcess(process.args, process.wait(SECONDS), None, errors)
    assert_fails(ran, "^Nobody reads the output any more, so the script was not done to its end")
    assert b"never said" not in run(server, IN + "3\n4\n").stdout


def test_errors_that_can_not_be_written_are_in_the_status(server: str) -> None:
    script = "1\n100\nwrong!\n"
    assert shell(server, '"$@" 2>/dev/full', script).returncode == 1
    assert shell(server, '"$@" 2>&-', script).returncode == 1
    assert shell(server, '"$@" >/dev/full 2>/dev/full', script).returncode == 1


# ---------------------------------------------------------------- input


@pytest.mark.parametrize("encoded", [SPEAKS, SPEAKS.replace("\n", "\r\n"), SPEAKS.rstrip("\n")])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_that_work(server: str, encoded: str, mark: str) -> None:
    ran = run(server, mark + encoded)
    assert_works(ran)
    assert ran.stdout.count(SENT) == 1


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_mark_at_the_beginning_may_come_in_pieces(server: str, size: int) -> None:
    process = subprocess.Popen(
        forked(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None
    script = ("\ufeff" + SPEAKS).encode()
    for start in range(0, len(script), size):
        process.stdin.write(script[start : start + size])
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert out.count(SENT) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_utf_16_fails_and_says_how_to_change_it(server: str, encoding: str, end: str) -> None:
    ran = run(server, SPEAKS.replace("\n", end).encode(encoding))
    assert_fails(ran, r"^The input looks like UTF-16 .*\(iconv -f UTF-16 -t UTF-8")


def test_lines_ended_by_cr_alone_fail(server: str) -> None:
    assert_fails(run(server, SPEAKS.replace("\n", "\r")), "has a carriage return in it .* with LF")
    long = SPEAKS.replace("\n", "\r") * 1000
    assert_fails(run(server, long), "has a carriage return in it")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"a\0b", "has a NUL character"),
        (b"a\rb", "has a carriage return"),
        (b"\xc4\xe3", "is not valid UTF-8 text"),
        (b"x" * 4001, "is too long .* at most 4000 characters"),
        (b"x" * 100_000, "is too long .* at most 4000 characters"),
    ],
)
def test_a_line_that_can_not_be_used_costs_itself_and_the_status(
    server: str, line: bytes, why: str
) -> None:
    ran = run(server, IN.encode() + b"2\n" + line + b"\n2\nfine\n4\n")
    assert_fails(ran, why)
    assert ran.stdout.count(SENT) == 1


@pytest.mark.parametrize("script", ["1\n", "1\n100\n", IN + "2\n", IN + "5\n101\n"])
def test_input_that_ends_in_the_middle_of_something_fails(server: str, script: str) -> None:
    assert_fails(run(server, script), "^The input ended where one more answer was wanted")


@pytest.mark.parametrize("rest", ["2\nnever said\n", "4", "\n\nx\n"])
def test_lines_that_nothing_asked_for_fail(server: str, rest: str) -> None:
    assert_fails(run(server, SPEAKS + rest), "^The script has lines that nothing asked for")
    assert_fails(run(server, "3\n" + rest), "^The script has lines that nothing asked for")
    # More of them than are read ahead.
    assert_fails(run(server, IN + "1\n" * 200 + "4\n" + rest), "lines that nothing asked for")


def test_empty_lines_at_the_end_are_no_failure(server: str) -> None:
    assert_works(run(server, SPEAKS + "\n \r\n\n"))
    assert_works(run(server, IN + "\n\n"))


def test_a_line_that_is_no_choice_fails(server: str) -> None:
    assert_fails(run(server, IN + "hello\n4\n"), "is not one of the choices.*: hello$")
    assert_fails(run(server, "hello\n3\n"), "is not one of the choices.*: hello$")


def test_input_that_can_not_be_read_fails(server: str, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert_fails(run(server, stdin=file), "^The input can't be read")


# ---------------------------------------------------------------- the server


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ("", "^The server did not confirm it"),
        ("1\n4\n", "^The server did not confirm it"),
    ],
)
def test_a_server_that_goes_away_while_something_is_sent_fails(
    mortal_server: str, after: str, why: str
) -> None:
    ran = altered("choices.SEND_TIMEOUT = 1.0", mortal_server, IN + "2\ndie\n" + after)
    assert ran.returncode == 1
    assert re.search(why, ran.stderr)
    assert ran.stderr.count("\n") == 1
