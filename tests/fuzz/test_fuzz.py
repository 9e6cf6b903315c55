"""The fuzzer itself: a short run finds nothing, and a fault would be found and written down."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger

from chatroom.protocol import codec
from chatroom.protocol import messages as wire
from chatroom.sessions import commands
from chatroom.sessions.commands import Command
from chatroom.sessions.session import Session
from tests.fuzz.__main__ import main
from tests.system.lab import environment
from tests.test_docs import CHECKOUT

#: What is fuzzed others have covered, and with that it takes thrice as long.
pytestmark = pytest.mark.no_cover


@pytest.mark.slow
def test_three_thousand_inputs_find_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "3000", "--finds", str(tmp_path)]
    ran = subprocess.run(
        command, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3,000 inputs" in ran.stdout
    assert "seed 1: 0 finds" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def _raises(session: Session, message: wire.StatusMes) -> None:
    raise RuntimeError("this is a fault")


def _forges_a_line(session: Session, message: wire.SmsMes) -> None:
    Logger().info("{id} said\n2026-01-01 all is well", id=session.user_id)


def _tells_everybody_who_does_not_know_it(session: Session, message: wire.UsersMes) -> None:
    for other in session.node.sessions.all():
        other.outbox.put((codec.frame(codec.encode(wire.PongMes())),))


def _ends_another_session(session: Session, message: wire.PrivateMes) -> None:
    session.node.sessions.all()[0].close()


def _forgets_a_timer(session: Session, message: wire.ReadMes) -> None:
    session.node.clock.callLater(1e9, _forgets_a_timer, session, message)


@pytest.mark.parametrize(
    ("kind", "fault", "told"),
    [
        (wire.StatusMes, _raises, "RuntimeError: this is a fault"),
        (wire.SmsMes, _forges_a_line, "no plain text"),
        (wire.UsersMes, _tells_everybody_who_does_not_know_it, "dialect 1 got PongMes()"),
        (wire.PrivateMes, _ends_another_session, "the connection of bystander 1 is gone"),
        (wire.ReadMes, _forgets_a_timer, "'delayed calls': "),
    ],
)
def test_a_fault_is_found_and_what_was_sent_is_written_down(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: type[wire.Message],
    fault: Callable[..., Any],
    told: str,
) -> None:
    table: dict[Any, Command] = commands.COMMANDS
    monkeypatch.setitem(table, kind, Command(fault, table[kind].needs))
    assert main(["--inputs", "800", "--finds", str(tmp_path)]) == 1
    [found] = [json.loads(file.read_text()) for file in tmp_path.iterdir()]
    assert told in found["why"]
    assert (found["seed"], found["round"]) == (1, 0)


def test_the_same_seed_finds_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table: dict[Any, Command] = commands.COMMANDS
    monkeypatch.setitem(table, wire.StatusMes, Command(_raises, table[wire.StatusMes].needs))
    reports = []
    for name in ("once", "again"):
        assert main(["--inputs", "800", "--seed", "7", "--finds", str(tmp_path / name)]) == 1
        [file] = (tmp_path / name).iterdir()
        reports.append((file.name, json.loads(file.read_text())["sent"]))
    assert reports[0] == reports[1]
