"""A short run of the torture, and the proof that its checker finds what it is there to find."""

from __future__ import annotations

import shutil
import socket

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.system.torture.act import TALK
from tests.system.torture.faults import SHORT
from tests.system.torture.mutants import MUTANTS
from tests.system.torture.playing import BY_NAME, FEW, Played, play_all, single, with_mutant
from tests.system.torture.processes import hold_port

SCALE = 0.3
#: Seconds in which all has to be well again: only what hangs takes so long.
PATIENCE = 180
#: Those that can be played here.
PLAYABLE = [fault for fault in SHORT if "slow" not in fault or shutil.which("cc")]


@pytest_twisted.async_fixture(scope="module")
async def played() -> dict[str, Played]:
    """All acts, side by side: they wait more than they compute."""
    jobs = [
        single(BY_NAME[fault], 7, scale=SCALE, users=FEW, patience=PATIENCE) for fault in PLAYABLE
    ]
    jobs += [with_mutant(mutant, 7, scale=SCALE, users=FEW) for mutant in MUTANTS]
    over = await play_all(reactor, iter(jobs), len(jobs), lambda played: None)
    return {played.job.parts[0]: played for played in over}


@pytest.mark.parametrize("fault", PLAYABLE)
def test_nothing_is_lost_doubled_or_out_of_order(played: dict[str, Played], fault: str) -> None:
    outcome = played[fault].outcome
    assert outcome is not None, played[fault].broken
    assert outcome.verdict.faults == []
    # Each of two devices said something before the fault and after it.
    assert outcome.verdict.acknowledged >= 2 * round(TALK * SCALE) * 2 * len(FEW)
    assert outcome.verdict.delivered > outcome.verdict.acknowledged


@pytest.mark.parametrize("mutant", [mutant.name for mutant in MUTANTS])
def test_the_checker_finds_what_is_put_into_the_program(
    played: dict[str, Played], mutant: str
) -> None:
    assert played[mutant].mutant_found, played[mutant]


def test_nobody_else_gets_a_port_that_is_kept_for_a_server() -> None:
    with hold_port() as held, socket.socket() as other, socket.socket() as server:
        try:
            other.bind(held.getsockname())
        except OSError:
            pass
        else:
            raise AssertionError("somebody else got it")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(held.getsockname())
        server.listen()
