"""``make fuzz``: a million inputs against the wire's codec, the door, and the table of commands.

Chance is seeded and structure-aware; nothing is steered by coverage. What reads the bytes is
msgspec, in C, where a fuzzer for Python sees no branches, and what can go wrong here is mostly
wrong in the order of things, which takes a whole server; so many steps a second find more.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import sys
import time
import traceback
from pathlib import Path
from random import Random

from twisted.logger import globalLogBeginner

from tests.fuzz.stage import Find, Log, Stage

#: Inputs of one round: each round has a server of its own.
ROUND = 10_000
#: Rounds after which memory must stay as it is.
WARM_UP = 3
#: Bytes that the process may have grown by when all rounds are over: what the allocator keeps.
GROWTH = 16 * 1024 * 1024
_PAGE = 4096


def resident() -> int:
    """Bytes of memory that the process has; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


class Fuzzer:
    """Plays rounds, and counts.

    :param finds: where a find is written down.
    """

    def __init__(self, seed: int, finds: Path) -> None:
        self.seed = seed
        self.finds: list[str] = []
        self.done = 0
        self.refused = 0
        self.memory: list[int] = []
        self._folder = finds

    def play(self, number: int, inputs: int) -> None:
        """One round, up to its first find."""
        stage, before = None, self.done
        with Log() as log:
            try:
                stage = Stage(Random(f"{self.seed}.{number}"), log)
                for _ in range(inputs):
                    stage.step()
                    self.done += 1
                stage.end()
            except Exception as error:  # noqa: BLE001 - whatever it is, it was looked for
                self._write_down(number, self.done - before, error, stage)
            if stage is not None:
                self.refused += stage.refused
        del stage
        gc.collect()
        self.memory.append(resident())

    def _write_down(self, number: int, step: int, error: Exception, stage: Stage | None) -> None:
        why = str(error) if isinstance(error, Find) else traceback.format_exc()
        self.finds.append(why)
        connection = stage.current if stage is not None else None
        sent = [] if connection is None else connection.sent
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{self.seed}-{number}-{step}.json"
        report = {
            "seed": self.seed,
            "round": number,
            "input": step,
            "why": why,
            "sent": [base64.b64encode(data).decode() for data in sent],
        }
        file.write_text(json.dumps(report, indent=1))
        print(f"found: {why}\n  again: --seed {self.seed} --round {number}; written to {file}")

    @property
    def growth(self) -> int:
        """Bytes by which the process has grown since it was warm."""
        return self.memory[-1] - self.memory[min(WARM_UP, len(self.memory)) - 1]


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; the exit status is 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many [1000000]")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with [1]")
    parser.add_argument("--round", type=int, default=0, help="the round to begin with [0]")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), help="where finds go")
    asked = parser.parse_args(arguments)
    fuzzer, began, number = Fuzzer(asked.seed, asked.finds), time.monotonic(), asked.round
    left = asked.inputs
    while left > 0:
        fuzzer.play(number, min(ROUND, left))
        left -= ROUND
        number += 1
        if number % 10 == 0:
            print(f"{fuzzer.done:,} inputs, {fuzzer.memory[-1] >> 10:,} KiB", flush=True)
    grown = fuzzer.growth
    if grown > GROWTH:
        fuzzer.finds.append(f"memory grew by {grown:,} bytes, and may by {GROWTH:,}")
        print(f"found: {fuzzer.finds[-1]}")
    seconds = time.monotonic() - began
    print(
        f"{fuzzer.done:,} inputs in {seconds:.0f} s ({fuzzer.done / seconds:,.0f} a second), seed "
        f"{asked.seed}: {len(fuzzer.finds)} finds; memory {fuzzer.memory[-1] >> 10:,} KiB, "
        f"{grown >> 10:+,} KiB since it was warm; {fuzzer.refused} connections not taken"
    )
    return 1 if fuzzer.finds else 0


if __name__ == "__main__":
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    sys.exit(main())
