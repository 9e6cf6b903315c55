"""The checker's own parts: what a verdict says, and that no part of the checker waits for ever."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from tests.system.lab import until
from tests.system.torture.faults import FAULTS
from tests.system.torture.ledger import INBOX, LOBBY, Ledger, Stored
from tests.system.torture.pairs import APART, NOT_TOGETHER, pair, pairs
from tests.system.torture.playing import BY_NAME
from tests.system.torture.processes import Process
from tests.system.torture.reader import Reader
from tests.wire import plain_frame


def test_a_message_that_is_never_answered_is_a_fault() -> None:
    ledger = Ledger()
    ledger.sending("one#1", 1, "one")
    assert ledger.judge({LOBBY: []}, {}, {}).faults == ["'one#1' was never answered"]


def test_a_message_that_is_refused_for_good_is_none() -> None:
    ledger = Ledger()
    ledger.sending("one#1", 1, "one").refused = "the recipient's mailbox is full"
    assert ledger.judge({LOBBY: []}, {}, {}).good


def test_what_was_acknowledged_has_to_be_in_its_own_room() -> None:
    ledger = Ledger()
    ledger.sending("one#1", 1, "one", room="garden").acknowledged = (5, 0)
    verdict = ledger.judge({LOBBY: [Stored((5, 0), 1, 0, "one#1")], "garden": []}, {}, {})
    assert verdict.lost == 1
    assert "'one#1' in the room lobby was not sent there" in verdict.faults


def test_what_a_device_was_not_shown_may_come_yet() -> None:
    ledger = Ledger()
    ledger.sending("one#1", 1, "one").acknowledged = (5, 0)
    device = ledger.device(2, "two")
    device.began = {LOBBY: (1, 0)}
    history = {LOBBY: [Stored((5, 0), 1, 0, "one#1")]}
    verdict = ledger.judge(history, {}, {})
    assert (verdict.lost, verdict.good, verdict.final) == (1, False, False)
    device.shown[LOBBY].append(((5, 0), "one#1"))
    assert ledger.judge(history, {}, {}).good
    device.shown[LOBBY].append(((5, 0), "one#1"))
    verdict = ledger.judge(history, {}, {})
    assert (verdict.doubled, verdict.final) == (1, True)


@pytest.mark.parametrize("shown", [["never said"], ["one#1", "one#1"], ["one#2", "one#1"]])
def test_an_original_client_gets_what_is_said_and_nothing_else(shown: list[str]) -> None:
    ledger = Ledger()
    history = []
    for number in (1, 2):
        ledger.sending(f"one#{number}", 1, "one").acknowledged = (number, 0)
        history.append(Stored((number, 0), 1, 0, f"one#{number}"))
    ledger.device(3, "good", original=LOBBY).shown[LOBBY] = [((0, 0), "one#2")]
    ledger.device(3, "away", original=INBOX)
    assert ledger.judge({LOBBY: history}, {}, {}).good
    ledger.device(4, "bad", original=LOBBY).shown[LOBBY] = [((0, 0), text) for text in shown]
    assert not ledger.judge({LOBBY: history}, {}, {}).good


def test_whoever_waits_for_an_acknowledgement_does_not_take_other_messages_for_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def chatter() -> None:
            connection, _ = listening.accept()
            with connection:
                while not over.wait(0.01):
                    connection.sendall(plain_frame("SmsMes"))

        thread = threading.Thread(target=chatter)
        thread.start()
        reader = Reader(listening.getsockname()[1], patience=0.5)
        try:
            name = reader.write("never answered")
            with pytest.raises(TimeoutError):
                reader.acknowledgement(name)
        finally:
            over.set()
            thread.join()
            reader.close()


class _Sleeper(Process):
    starts = 0

    def start(self) -> None:
        self.starts += 1
        self._process = subprocess.Popen(["sleep", "600"])

    @property
    def state(self) -> str:
        """One letter, as the kernel has it."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]


@pytest.fixture
def sleeper() -> Iterator[_Sleeper]:
    sleeper = _Sleeper()
    sleeper.start()
    yield sleeper
    sleeper.stop()


def test_what_two_faults_hold_down_comes_back_when_both_let_go(sleeper: _Sleeper) -> None:
    sleeper.take_down()
    sleeper.kill()
    sleeper.tend()
    assert not sleeper.running
    sleeper.bring_up()
    until(lambda: sleeper.running)
    assert (sleeper.starts, sleeper.ends) == (2, [])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc tells what is frozen")
def test_what_two_faults_freeze_goes_on_when_both_let_go(sleeper: _Sleeper) -> None:
    sleeper.freeze()
    sleeper.freeze()
    sleeper.thaw()
    until(lambda: sleeper.state == "T")
    sleeper.thaw()
    until(lambda: sleeper.state == "S")


def test_what_ends_by_itself_is_started_again_and_remembered(sleeper: _Sleeper) -> None:
    sleeper.signal(signal.SIGTERM)
    until(lambda: not sleeper.running)
    sleeper.tend()
    until(lambda: sleeper.running)
    assert sleeper.ends == [-signal.SIGTERM]


def test_every_two_faults_are_a_pair_but_for_those_that_have_a_reason() -> None:
    names = [fault.name for fault in FAULTS if fault.name not in APART]
    together = {frozenset((first.name, second.name)) for first, second in pairs()}
    assert together | NOT_TOGETHER.keys() == set(map(frozenset, combinations(names, 2)))
    assert set(APART) <= set(BY_NAME)
    assert not together & NOT_TOGETHER.keys()


def test_a_pair_has_the_stage_that_both_need() -> None:
    cut, full = BY_NAME["store cut before its reply"], BY_NAME["disk full"]
    slow = BY_NAME["clients that do not read"]
    assert pair(cut, full).needs == cut.needs | full.needs
    assert pair(slow, slow).options == pair(slow, full).options == slow.options
