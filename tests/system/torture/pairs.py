"""Two faults in one act, for every two that there are."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from tests.system.torture.act import Act
from tests.system.torture.faults import FAULTS, Fault

#: Seconds, at full length, between the beginnings of two faults at most.
STAGGER = 3.0
#: These are in no pair, and why.
APART = {"none": "the other one is alone then, as in an act of its own"}
#: Two that are not played together, and why.
NOT_TOGETHER = {
    frozenset({"store killed, disk slow", "store cut before its reply"}): (
        "a Redis that waits for a slow disk before each answer takes minutes for ten logins"
    )
}


def pair(first: Fault, second: Fault) -> Fault:
    """Both of them in one act: chance says which begins, and whether the other waits a little."""

    async def run(act: Act) -> None:
        order = [first, second]
        act.random.shuffle(order)
        pause = act.random.choice((0, 1, 1, 1)) * act.random.random() * act.length(STAGGER)

        async def late() -> None:
            await act.sleep(pause)
            await order[1].run(act)

        both = [Deferred.fromCoroutine(each) for each in (_run(order[0], act), late())]
        # Even where one fails, the other must not go on behind the act's back.
        results: list[tuple[bool, Any]] = await DeferredList(both, consumeErrors=True)
        for succeeded, result in results:
            if not succeeded:
                result.raiseException()

    options = dict.fromkeys((*first.options.split(), *second.options.split()))
    return Fault(
        f"{first.name} + {second.name}", run, first.needs | second.needs, " ".join(options)
    )


async def _run(fault: Fault, act: Act) -> None:
    await fault.run(act)


def pairs() -> list[tuple[Fault, Fault]]:
    """Every two faults that can be played together."""
    found = combinations([fault for fault in FAULTS if fault.name not in APART], 2)
    return [both for both in found if frozenset(fault.name for fault in both) not in NOT_TOGETHER]
