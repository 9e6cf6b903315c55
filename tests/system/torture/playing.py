"""Plays many acts, some of them side by side, and keeps what they showed."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.system.torture.act import Act, Outcome
from tests.system.torture.faults import FAULTS, Fault
from tests.system.torture.mutants import PATIENCE, Mutant
from tests.system.torture.stage import mutated_code

CHECKOUT = Path(__file__).parents[3]
BY_NAME = {fault.name: fault for fault in FAULTS}
#: Two or three of each kind are enough where there are many acts.
FEW = [101, 102, 103, 104]


@dataclass
class Job:
    """An act to be played.

    :param settings: what `Act` is told besides.
    """

    fault: Fault
    seed: int
    #: The faults of which it is made, by their names.
    parts: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    mutant: Mutant | None = None


@dataclass
class Played:
    """An act that was played. With no outcome, it was broken or could not be played here."""

    job: Job
    outcome: Outcome | None = None
    #: Why it could not be played here.
    left_out: str = ""
    #: What went wrong in the act itself.
    broken: str = ""

    @property
    def good(self) -> bool:
        return bool(self.left_out) or (self.outcome is not None and self.outcome.verdict.good)

    @property
    def mutant_found(self) -> bool:
        """Whether the checker found what was put into the program, and nothing by mistake."""
        assert self.job.mutant is not None
        faults = [] if self.outcome is None else self.outcome.verdict.faults
        return any(sign in text for sign in self.job.mutant.signs for text in faults)


def single(fault: Fault, seed: int, **settings: Any) -> Job:
    return Job(fault, seed, (fault.name,), settings)


def with_mutant(mutant: Mutant, seed: int, **settings: Any) -> Job:
    fault = BY_NAME[mutant.fault]
    return Job(fault, seed, (mutant.name,), {"patience": PATIENCE, **settings}, mutant)


async def play(reactor: Any, job: Job) -> Played:
    """Play one act, in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chatroom-torture-") as name:
        folder = Path(name)
        try:
            code = mutated_code(CHECKOUT, folder, job.mutant.changes) if job.mutant else None
            act = Act(reactor, job.fault, folder, job.seed, code=code, **job.settings)
            return Played(job, await act.play())
        except PermissionError as error:
            return Played(job, left_out=str(error))
        except Exception:  # noqa: BLE001 - the other acts are to be played all the same
            return Played(job, broken=traceback.format_exc())


async def play_all(
    reactor: Any, jobs: Iterator[Job], at_once: int, tell: Callable[[Played], object]
) -> list[Played]:
    """Play them in their order, so many side by side.

    :param tell: is given each one when it is over.
    """
    played: list[Played] = []

    async def one_after_the_other() -> None:
        for job in jobs:
            played.append(await play(reactor, job))
            tell(played[-1])

    await gatherResults([Deferred.fromCoroutine(one_after_the_other()) for _ in range(at_once)])
    return played
