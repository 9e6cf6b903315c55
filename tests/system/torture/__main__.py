"""Plays acts and prints one line for each, then a table: ``make torture``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.system.torture.act import USERS
from tests.system.torture.faults import FAULTS
from tests.system.torture.mutants import MUTANTS
from tests.system.torture.pairs import pair, pairs
from tests.system.torture.playing import (
    BY_NAME,
    FEW,
    Job,
    Played,
    play_all,
    single,
    with_mutant,
)
from tests.system.torture.report import mutants_table, table, told


def _slice(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not 1 <= int(number) <= int(parts):
        raise ValueError
    return int(number), int(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make torture",
        description=__doc__,
        epilog="With --pairs and --mutants, acts are shorter and have fewer people, unless "
        "--scale or --users says otherwise.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--pairs", action="store_true", help="every two faults at a time, each pair once"
    )
    what.add_argument(
        "--mutants",
        type=int,
        metavar="TIMES",
        help="put faults into the program, so many times each: does the checker find them?",
    )
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with [1]")
    parser.add_argument(
        "--seconds", type=float, default=600, help="how long to go on with single faults [600]"
    )
    parser.add_argument("--scale", type=float, help="length of each fault [1.0; else 0.5]")
    parser.add_argument("--users", type=int, help="how many people, of 10 [10; else 4]")
    parser.add_argument("--at-once", type=int, help="acts side by side [1; else 5]")
    parser.add_argument(
        "--fault",
        action="append",
        choices=list(BY_NAME),
        metavar="NAME",
        help="only these faults, once each; with --pairs: only pairs with this one, or of these; "
        "may be repeated",
    )
    parser.add_argument(
        "--slice",
        type=_slice,
        default=(1, 1),
        metavar="I/N",
        help="of the pairs only this of so many parts",
    )
    return parser.parse_args()


def _settings(arguments: argparse.Namespace, *, scale: float, users: int) -> dict[str, Any]:
    number = arguments.users or users
    return {"scale": arguments.scale or scale, "users": USERS[:number]}


def _singles(arguments: argparse.Namespace) -> Iterator[Job]:
    """All faults, again and again with another seed, until the time is up."""
    settings = _settings(arguments, scale=1.0, users=len(USERS))
    end = time.monotonic() + arguments.seconds
    for seed in count(arguments.seed):
        for fault in FAULTS:
            if not arguments.fault or fault.name in arguments.fault:
                yield single(fault, seed, **settings)
        if arguments.fault or time.monotonic() > end:
            return


def _pairs(arguments: argparse.Namespace) -> Iterator[Job]:
    settings = _settings(arguments, scale=0.5, users=len(FEW))
    number, parts = arguments.slice
    wanted = set(arguments.fault or ())
    for first, second in pairs()[number - 1 :: parts]:
        names = (first.name, second.name)
        if not wanted or (wanted & set(names) if len(wanted) == 1 else wanted >= set(names)):
            yield Job(pair(first, second), arguments.seed, names, settings)


def _mutants(arguments: argparse.Namespace) -> Iterator[Job]:
    settings = _settings(arguments, scale=0.3, users=len(FEW))
    for seed in range(arguments.seed, arguments.seed + arguments.mutants):
        for mutant in MUTANTS:
            yield with_mutant(mutant, seed, **settings)


async def _run(reactor: Any, arguments: argparse.Namespace) -> None:
    begin, many = time.monotonic(), arguments.pairs or arguments.mutants
    jobs = (_pairs if arguments.pairs else _mutants if arguments.mutants else _singles)(arguments)
    width = 60 if arguments.pairs else 30
    at_once = arguments.at_once or (5 if many else 1)
    print(f"seed {arguments.seed}", flush=True)

    def tell(played: Played) -> None:
        if played.job.mutant is not None:
            found = "found" if played.mutant_found else f"NOT FOUND {played.broken}"
            print(f"{played.job.mutant.name}: seed {played.job.seed}: {found}", flush=True)
        else:
            print(told(played, width), flush=True)

    played = await play_all(reactor, jobs, at_once, tell)
    print(f"\n{len(played)} acts in {time.monotonic() - begin:.0f} s\n")
    if arguments.mutants:
        print(mutants_table(played))
        sys.exit(not all(each.mutant_found for each in played))
    print(table(played, 30))
    wrong = [each for each in played if not each.good]
    for each in wrong:
        print(f"\nTo repeat: {_again(each, arguments)}")
    if not wrong:
        print("\nNothing else was found wrong.")
    sys.exit(bool(wrong))


def _again(played: Played, arguments: argparse.Namespace) -> str:
    faults = " ".join(f"--fault '{name}'" for name in played.job.parts)
    mode = "--pairs " if arguments.pairs else ""
    same = [f"--{name} {value}" for name in ("scale", "users") if (value := vars(arguments)[name])]
    return f'make torture ARGS="{" ".join([f"{mode}--seed {played.job.seed}", *same, faults])}"'


def main() -> None:
    arguments = _arguments()
    react(partial(_react, arguments))


def _react(arguments: argparse.Namespace, reactor: Any) -> Deferred[None]:
    return Deferred.fromCoroutine(_run(reactor, arguments))


if __name__ == "__main__":
    main()
