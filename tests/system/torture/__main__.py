"""Plays acts until the time is up and prints one line for each fault: ``make torture``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.system.torture.act import Act, Outcome
from tests.system.torture.faults import FAULTS

_COLUMNS = "| {:<30} | {:>4} | {:>6} | {:>6} | {:>9} | {:>4} | {:>7} | {:>5} | {:>6} | {:>6} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with [1]")
    parser.add_argument("--seconds", type=float, default=600, help="how long to go on [600]")
    parser.add_argument("--scale", type=float, default=1.0, help="length of each fault [1.0]")
    parser.add_argument("--fault", action="append", help="only these faults; may be repeated")
    return parser.parse_args()


async def _run(reactor: Any, arguments: argparse.Namespace) -> None:
    faults = [fault for fault in FAULTS if not arguments.fault or fault.name in arguments.fault]
    if not faults:
        sys.exit(f"no such fault; there are: {', '.join(fault.name for fault in FAULTS)}")
    begin, seed, outcomes = time.monotonic(), arguments.seed, []
    while True:
        for fault in faults:
            with tempfile.TemporaryDirectory(prefix="chatroom-torture-") as folder:
                act = Act(reactor, fault, Path(folder), seed, scale=arguments.scale)
                try:
                    outcome = await act.play()
                except PermissionError as error:
                    print(f"{fault.name}: left out: {error}", flush=True)
                    continue
            outcomes.append(outcome)
            print(_line(fault.name, [outcome]), flush=True)
            for why, count in outcome.refusals.most_common():
                print(f"    {count} not acknowledged: {why}", flush=True)
            for text in outcome.verdict.faults[:20]:
                print(f"    seed {seed}: {text}", flush=True)
        seed += 1
        if time.monotonic() - begin > arguments.seconds or arguments.fault:
            break
    _report(outcomes, time.monotonic() - begin)
    if not all(outcome.verdict.good for outcome in outcomes):
        raise SystemExit(1)


def _line(name: str, outcomes: list[Outcome]) -> str:
    def total(field: str) -> int:
        return sum(getattr(outcome.verdict, field) for outcome in outcomes)

    return _COLUMNS.format(
        name,
        len(outcomes),
        total("sends"),
        total("acknowledged"),
        total("delivered"),
        total("lost"),
        total("doubled"),
        total("out_of_order"),
        f"{max(outcome.back_after for outcome in outcomes):.1f}",
        f"{max(outcome.well_after for outcome in outcomes):.1f}",
    )


def _report(outcomes: list[Outcome], seconds: float) -> None:
    print(f"\n{len(outcomes)} acts in {seconds:.0f} s\n")
    head = (
        "fault",
        "acts",
        "sends",
        "acked",
        "delivered",
        "lost",
        "doubled",
        "order",
        "back",
        "well",
    )
    print(_COLUMNS.format(*head))
    print("| --- |" + " ---: |" * 9)
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.fault, []).append(outcome)
    for name, same in by_name.items():
        print(_line(name, same))
    wrong = [text for outcome in outcomes for text in outcome.verdict.faults]
    print(
        f"\n{'Nothing else was found wrong.' if not wrong else f'{len(wrong)} things are wrong.'}"
    )


def main() -> None:
    arguments = _arguments()
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, arguments)))


if __name__ == "__main__":
    main()
