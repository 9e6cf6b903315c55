"""A short run of the torture, and the proof that its checker finds what it is there to find."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from tests.system.torture.act import Act, Outcome
from tests.system.torture.faults import FAULTS, SHORT
from tests.system.torture.mutants import MUTANTS
from tests.system.torture.stage import mutated_code

CHECKOUT = Path(__file__).parents[3]
BY_NAME = {fault.name: fault for fault in FAULTS}
#: Two or three of each kind are enough for a short run.
FEW = [101, 102, 103, 104]
SCALE = 0.3


def _play(fault: str, folder: Path, **more: Any) -> Deferred[Outcome]:
    folder.mkdir()
    act = Act(reactor, BY_NAME[fault], folder, seed=7, scale=SCALE, users=FEW, **more)
    return Deferred.fromCoroutine(act.play())


#: Those that can be played here.
PLAYABLE = [fault for fault in SHORT if "slow" not in fault or shutil.which("cc")]


async def _all(acts: list[Deferred[Outcome]]) -> list[Outcome]:
    """What all of them showed; when one fails the others are still played to their end."""
    results: list[tuple[bool, Any]] = await DeferredList(acts, consumeErrors=True)
    for succeeded, result in results:
        if not succeeded:
            result.raiseException()
    return [result for _, result in results]


@pytest_twisted.ensureDeferred
async def test_nothing_is_lost_doubled_or_out_of_order_whatever_breaks(tmp_path: Path) -> None:
    outcomes = await _all(
        [_play(fault, tmp_path / str(number)) for number, fault in enumerate(PLAYABLE)]
    )
    for outcome in outcomes:
        assert outcome.verdict.faults == [], outcome.fault
        assert outcome.verdict.acknowledged > 20, outcome.fault
        assert outcome.verdict.delivered > 100, outcome.fault


@pytest_twisted.ensureDeferred
async def test_the_checker_finds_every_fault_that_is_put_into_the_program(tmp_path: Path) -> None:
    acts = []
    for number, mutant in enumerate(MUTANTS):
        code = mutated_code(CHECKOUT, tmp_path / f"mutant{number}", mutant.changes)
        acts.append(_play(mutant.fault, tmp_path / str(number), code=code, patience=6))
    for mutant, outcome in zip(MUTANTS, await _all(acts), strict=True):
        assert not outcome.verdict.good, f"{mutant.name}: the checker found nothing"
