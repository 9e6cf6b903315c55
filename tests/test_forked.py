"""A fork is to who starts it what an interpreter is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import forked

#: Limits that only a hang meets.
PATIENCE = 120
TELLS = """
import json, os, signal, sys
umask = os.umask(0)
names = os.environ.get("NAMED"), "twisted.internet.reactor" in sys.modules
interrupted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(json.dumps([os.getpid(), os.getcwd(), *names, umask, interrupted, sys.argv]))
print("trouble", file=sys.stderr)
sys.exit(int(input()))
"""


def start(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes] | forked.Process:
    """Started with pipes; it ends with the test's process at the latest."""
    pipe = subprocess.PIPE
    given: dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "env": {}}
    return forked.start([sys.executable, "-c", code, *arguments], **given | options)


@pytest.fixture(params=["interpreter", "fork"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "fork":
        request.getfixturevalue("forking")
    else:
        monkeypatch.setattr(forked, "python", [sys.executable])


@pytest.mark.usefixtures("_way")
def test_it_has_all_that_it_is_given(tmp_path: Path) -> None:
    before = os.umask(0o27)
    try:
        process = start(TELLS, "an argument", env={"NAMED": "ü"}, cwd=tmp_path)
    finally:
        os.umask(before)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    told = json.loads(process.stdout.readline())
    assert told == [process.pid, str(tmp_path), "ü", False, 0o27, True, ["-c", "an argument"]]
    assert process.poll() is None
    shown = Path(f"/proc/{process.pid}/cmdline")
    if shown.exists():
        command = [sys.executable, "-c", TELLS, "an argument"]
        assert shown.read_bytes().rstrip(b"\0").decode().split("\0") == command
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.stdin.write(b"7\n")
    process.stdin.close()
    assert process.wait(PATIENCE) == process.poll() == 7
    assert process.stderr.read() == b"trouble\n"
    process.stdout.close()
    process.stderr.close()


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    process = start("import time; time.sleep(600)", stdout=subprocess.DEVNULL, stderr=2)
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    process.send_signal(number)
    assert process.stdin is not None
    process.stdin.close()


def test_what_runs_ends_with_who_started_it() -> None:
    program = (
        "import subprocess, sys\n"
        "from tests import forked\n"
        "with forked.forking():\n"
        "    code = 'import time; print(flush=True); time.sleep(600)'\n"
        "    forked.start([sys.executable, '-c', code],\n"
        "        stdin=subprocess.DEVNULL, stdout=1, stderr=2, env={}).wait()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"\n"
        process.kill()
        # The end of that is the end of all who have it.
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_what_runs_when_the_tests_are_over_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "python", [sys.executable])
    with forked.forking():
        null = subprocess.DEVNULL
        process = start("import time; time.sleep(600)", stdin=null, stdout=null, stderr=2)
    assert process.wait(PATIENCE) == -signal.SIGKILL
