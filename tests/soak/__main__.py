"""``make soak``: people and trouble on a real server, and whether it ends as it was when warm."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from tests.soak.people import Crowd, Person
from tests.soak.picture import draw
from tests.soak.samples import Probe, Sample, cpu, pause
from tests.soak.trouble import Trouble
from tests.system.lab import Lab, Server

#: People who come in one second at the start.
ARRIVING = 50
#: Part of the time that is for getting warm.
WARM_UP = 0.25
#: Seconds for everybody to come back and things to settle, then for measuring.
SETTLE, MEASURE = 12.0, 6.0
#: So little is kept that what is full is full soon; passwords are not what is measured.
OPTIONS = (
    *("--argon2", "1,1024,1", "--room-history", "1000"),
    *("--mailbox-history", "20", "--mailbox-unread", "500"),
)
#: Those of whom many have an address of their own, and may log in.
MISBEHAVE = ("floods", "malformed", "registering", "slow readers", "wrong passwords")
#: Bytes that one stored message or remembered id takes in the store, and one more key, at most.
ENTRY, KEY = 700, 500


class Calm(NamedTuple):
    """What was there while everybody was there and quiet."""

    sample: Sample
    kinds: Counter[str]
    entries: int
    counts: Counter[str]


class Soak:
    """One run.

    :param seconds: how long people and trouble go on.
    """

    def __init__(self, reactor: Any, server: Server, users: int, seconds: float) -> None:
        self._reactor = reactor
        self._server = server
        self._users = users
        self._seconds = seconds
        self._probe = Probe(reactor, server)
        self.crowd = Crowd(reactor, server.port, Random(1))
        self._trouble = Trouble(self.crowd, users / 1000)
        self._began = time.monotonic()
        self.times: list[float] = []
        self.samples: list[Sample] = []
        self.calm: list[tuple[float, float]] = []
        self._sampling = LoopingCall(self._sample)

    async def run(self) -> tuple[Calm, Calm]:
        self.crowd.people = [Person(self.crowd, number) for number in range(self._users)]
        every = max(2.0, self._seconds / 300)
        sampling = self._sampling.start(every)
        for number, person in enumerate(self.crowd.people):
            self._reactor.callLater(number / ARRIVING, person.come)
        await pause(self._reactor, self._users / ARRIVING + 3)
        self._trouble.start()
        await pause(self._reactor, self._seconds * WARM_UP)
        warm = await self._be_calm()
        self._trouble.start()
        await pause(self._reactor, self._seconds * (1 - WARM_UP))
        end = await self._be_calm()
        self._sampling.stop()
        await sampling
        return warm, end

    async def _be_calm(self) -> Calm:
        """Let everybody come and be quiet, and measure."""
        begin = self._minutes()
        self._trouble.stop()
        self.crowd.calm = True
        await pause(self._reactor, SETTLE)
        for _ in range(60):
            if self.crowd.online == self._users:
                break
            await pause(self._reactor, 1)
        first = len(self.samples)
        await pause(self._reactor, MEASURE)
        while len(self.samples) < first + 2:
            await pause(self._reactor, 0.5)
        taken = self.samples[first:]
        sample = {name: sum(each[name] for each in taken) / len(taken) for name in taken[0]}
        kinds, entries = self._probe.kept()
        self.calm.append((begin, self._minutes()))
        self.crowd.calm = False
        return Calm(sample, kinds, entries, Counter(self.crowd.counts))

    async def _sample(self) -> None:
        sample = await self._probe.sample()
        self.times.append(self._minutes())
        self.samples.append(sample)
        if len(self.samples) % 15 == 1:
            shown = ", ".join(f"{value:,.0f} {name}" for name, value in sample.items())
            print(f"{self.times[-1]:5.1f} min: {shown}", flush=True)

    def _minutes(self) -> float:
        return (time.monotonic() - self._began) / 60


def bounds(warm: Calm, end: Calm, users: int) -> dict[str, float]:
    """How large each figure may be in the end, when all users are back."""
    before = warm.sample
    entries = max(end.entries - warm.entries, 0)
    keys = max(end.kinds.total() - warm.kinds.total(), 0)
    return {
        "memory (MiB)": before["memory (MiB)"] * 1.10 + 8,
        "files": before["files"] + 5,
        "threads": before["threads"] + 1,
        "deferreds": before["deferreds"] * 1.05 + 50,
        "timers": before["timers"] * 1.05 + 20,
        "objects": before["objects"] * 1.05 + 5000,
        "queued (bytes)": 4096,
        "members": users,
        # What is kept grows until it is as much as is to be kept; nothing else may.
        "store's memory (MiB)": before["store's memory (MiB)"] * 1.05
        + 2
        + (entries * ENTRY + keys * KEY) / 2**20,
    }


def most_keys(kind: str, warm: Calm, end: Calm) -> int:
    """How many keys of a kind there may be in the end."""
    since = end.counts - warm.counts
    trouble = sum(since[name] for name in MISBEHAVE)
    if kind == "account":
        return warm.kinds[kind] + trouble
    if kind.startswith(("mailbox", "room:lobby:", "tokens")):
        # One for each account, once somebody wrote or logged in.
        return end.kinds["account"]
    if kind == "token":
        # Each login leaves one for days, unless its client logs out.
        return warm.kinds[kind] + since["logins"] + trouble
    # The rest, such as what is remembered of an address for some minutes.
    return warm.kinds[kind] + 10 + trouble


def report(warm: Calm, end: Calm, users: int) -> bool:
    """Print the comparison; whether everything is within its bound."""
    wrong = 0

    def line(name: str, before: float, after: float, most: float) -> None:
        nonlocal wrong
        wrong += after > most
        figures = "".join([f"{figure:>12,.1f}" for figure in (before, after, most)])
        print(f"{name:22}{figures}  {'ok' if after <= most else 'TOO MUCH'}")

    print(f"\n{'':22}{'warm':>12}{'end':>12}{'at most':>12}")
    for name, most in bounds(warm, end, users).items():
        line(name, warm.sample[name], end.sample[name], most)
    print(
        f"\nmessages and ids in the store: {warm.entries:,} warm, {end.entries:,} in the end; keys:"
    )
    for kind in sorted(warm.kinds | end.kinds):
        line(kind, warm.kinds[kind], end.kinds[kind], most_keys(kind, warm, end))
    return not wrong


async def run(reactor: Any, asked: argparse.Namespace) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="chatroom-soak-") as folder:
        lab = Lab(Path(folder))
        try:
            server = lab.server(*OPTIONS, cheap=False)
            soak = Soak(reactor, server, asked.users, asked.minutes * 60)
            warm, end = await soak.run()
            log = server.log()
            used = cpu(server.pid)
        finally:
            lab.close()
    if asked.png is not None:
        draw(asked.png, soak.times, soak.samples, soak.calm)
        print(f"\ndrawn: {asked.png}")
    good = report(warm, end, asked.users)
    counts = ", ".join(f"{number:,} {name}" for name, number in sorted(soak.crowd.counts.items()))
    print(
        f"\n{counts}\nthe server used {used:.0f} s of CPU, the people {time.process_time():.0f} s"
    )
    if "Traceback" in log or "Unhandled" in log:
        print(log[log.find("Traceback") - 2000 :][:6000])
        good = False
    print("PASS" if good else "FAIL")
    if not good:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15, help="how long [15]")
    parser.add_argument("--users", type=int, default=2000, help="how many people [2000]")
    parser.add_argument("--png", type=Path, default=Path("soak.png"), help="the picture [soak.png]")
    asked = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("the soak asks Linux's /proc, and comes from many addresses of 127.0.0.0/8")
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, asked)))


if __name__ == "__main__":
    main()
