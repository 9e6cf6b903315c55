"""One act: a stage, the load on it, one fault, and the judgement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from chatroom.client import ChatError
from tests.system.torture.faults import Fault, Need
from tests.system.torture.ledger import LOBBY, Ledger, Verdict
from tests.system.torture.original import OriginalClient
from tests.system.torture.people import PASSWORD, Forgetful, Person
from tests.system.torture.reader import Reader
from tests.system.torture.service import Service
from tests.system.torture.talker import Talker, tried

#: Users with two devices each; every other device wanders.
USERS = list(range(101, 111))
#: Users of the original client.
ORIGINALS = [201, 202]
#: A user whose device keeps no place.
FORGETFUL = 251
#: The checker's own: who probes whether service is back, who whispers, and who has much to say.
PROBE, WHISPERER, CROWD = 301, 302, 303
#: Messages of each device that are acknowledged before the fault begins, and after it.
TALK = 5
#: Seconds for everybody to arrive, and for all to be read back: only a hang meets that.
ARRIVAL = 300


@dataclass
class Outcome:
    """What an act showed. Times in seconds."""

    fault: str
    verdict: Verdict
    #: From the cause being gone to a newcomer having logged in, sent and been acknowledged.
    back_after: float
    #: From the cause being gone to every device being there with all that it had sent answered.
    well_after: float
    #: Why sends were refused for good, and how many of each.
    refusals: Counter[str]


class Act:
    """Sets the stage, plays, and judges.

    :param scale: 1 for the full length of each fault; less makes it shorter.
    :param patience: seconds in which all has to be well again.
    :param code: a folder with a ``chatroom`` package to run in place of the checkout's.
    """

    def __init__(
        self,
        reactor: Any,
        fault: Fault,
        folder: Path,
        seed: int,
        *,
        scale: float = 1.0,
        code: Path | None = None,
        users: list[int] | None = None,
        patience: float = 60,
    ) -> None:
        self._reactor = reactor
        self._fault = fault
        self._scale = scale
        self._patience = patience
        self._users = USERS if users is None else users
        self._seed = f"{seed} {fault.name}"
        #: For the fault alone, so that it is the same again.
        self.random = self._chance("fault")
        self.ledger = Ledger()
        self.service = Service(reactor, folder, fault.needs, fault.options, code, self._chance)
        self.forgetful: Forgetful
        self.whisperer: Talker
        self.crowd: Talker
        self._people: list[Person] = []
        self._originals: list[OriginalClient] = []

    def _chance(self, whose: str) -> Random:
        return Random(f"{self._seed} {whose}")  # to be repeatable

    # ---- for the faults

    def sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds)

    def length(self, full: float) -> float:
        """How long something takes in a run of this scale; in seconds, or times."""
        return max(full * self._scale, 1.0)

    async def until(self, what: Callable[[], object], seconds: float) -> bool:
        """Wait until ``what`` gives something true; False if it does not within so many seconds."""
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                return False
            await self.sleep(0.02)
        return True

    def whisper_to_forgetful(self) -> Deferred[bool]:
        """Some private messages to the user whose device keeps no place."""
        for _ in range(5):
            self.whisperer.new(FORGETFUL)
        return deferToThread(tried, partial(self.whisperer.insist, 5))

    # ---- the cast

    async def play(self) -> Outcome:
        """:raises PermissionError: the stage can't be set here."""
        # Whoever waits for what is broken must not keep others from what is not.
        self._reactor.suggestThreadPoolSize(100)
        try:
            await self._enter(await self.service.set_up())
            return await self._play()
        finally:
            await self._clear()

    async def _enter(self, through: Any) -> None:
        server = self.service.server
        await deferToThread(self._register)
        for user in self._users:
            peers = [peer for peer in [*self._users, *ORIGINALS, FORGETFUL] if peer != user]
            for device, wanders in ((f"{user}a", False), (f"{user}b", True)):
                chance = self._chance(device)
                self._people.append(
                    Person(
                        *(self._reactor, through, self.ledger, chance, user, device, peers),
                        wanders=wanders,
                    )
                )
        self.forgetful = Forgetful(self._reactor, through, self.ledger, FORGETFUL)
        # These not through the proxy: it would tear frames itself.
        for user in ORIGINALS:
            self._originals.append(OriginalClient(server.port, self.ledger, user, PASSWORD))
        self._probe, self.whisperer, self.crowd = (
            Talker(server.port, self.ledger, user) for user in (PROBE, WHISPERER, CROWD)
        )

    @property
    def _everybody(self) -> list[int]:
        return [*self._users, *ORIGINALS, FORGETFUL, PROBE, WHISPERER, CROWD]

    def _register(self) -> None:
        reader = Reader(self.service.server.port)
        for user in self._everybody:
            reader.register(user, PASSWORD)
        reader.close()

    async def _clear(self) -> None:
        try:
            for original in self._originals:
                await deferToThread(original.stop)
            if self._originals:
                await self.forgetful.end()
            await _all(person.end() for person in self._people)
        finally:
            await self.service.clear()

    # ---- the play

    async def _play(self) -> Outcome:
        await _all(person.arrive() for person in self._people).addTimeout(ARRIVAL, self._reactor)
        for original in self._originals:
            original.start()
        self.forgetful.live()
        for person in self._people:
            person.live()
        await self._talk(time.monotonic() + ARRIVAL)
        await self._fault.run(self)
        gone = time.monotonic()
        end = gone + self._patience
        back = await deferToThread(self._until_back, gone)
        talked = await self._talk(end)
        settled = await _all(person.settle(end) for person in self._people)
        well = time.monotonic() - gone if all(settled) else self._patience
        verdict = await self._judge()
        if not talked:
            verdict.wrong("those who talked had no answers any more")
        torn = sum(original.torn for original in self._originals)
        if torn:
            verdict.wrong(f"{torn} torn frames reached an original client")
        if Need.SMALL_DISK not in self._fault.needs:
            for status in self.service.server.ends:
                verdict.wrong(f"the server ended by itself, with status {status}")
        refusals = Counter(send.refused for send in self.ledger.sends.values() if send.refused)
        return Outcome(self._fault.name, verdict, back, well, refusals)

    async def _talk(self, end: float) -> bool:
        """Let everybody talk for a while; whether they were answered before that time."""

        def acknowledged() -> int:
            return sum(person.acknowledged for person in self._people)

        goal = acknowledged() + max(round(TALK * self._scale), 1) * len(self._people)
        return await self.until(lambda: acknowledged() >= goal, end - time.monotonic())

    def _until_back(self, since: float) -> float:
        """Log in and send as a newcomer, again and again until it works; seconds it took.

        Then what else the checker itself had sent is sent again, until it is answered.
        """
        self._probe.new()
        back, patience = self._patience, 1.0
        waiting = [self._probe, self.whisperer, self.crowd]
        while waiting and time.monotonic() - since < self._patience:
            for talker in tuple(waiting):
                if talker.unanswered and not tried(partial(talker.insist, patience)):
                    continue
                waiting.remove(talker)
                if talker is self._probe:
                    back = time.monotonic() - since
            patience = min(patience * 1.2, 30.0)
            time.sleep(0.05)
        return back

    async def _judge(self) -> Verdict:
        """Compare as soon as all is well, or when it will not be any more."""
        hopeless, end = time.monotonic() + ARRIVAL, None
        while True:
            try:
                if not self.forgetful.settled:
                    await self.forgetful.settle()
                rooms, inboxes, unread = await deferToThread(self._read)
            except (ChatError, OSError) as error:
                if time.monotonic() > hopeless:
                    verdict = self.ledger.judge({}, {}, {})
                    verdict.wrong(f"nothing could be read back: {error}")
                    return verdict
            else:
                end = end or time.monotonic() + self._patience
                verdict = self.ledger.judge(rooms, inboxes, unread)
                if verdict.final or time.monotonic() > end:
                    return verdict
            await self.sleep(0.2)

    def _read(self) -> tuple[dict[str, Any], dict[int, Any], dict[int, int]]:
        """All rooms, all mailboxes, and how many are unread in each."""
        rooms, inboxes, unread = {}, {}, {}
        for user in self._everybody:
            reader = Reader(self.service.server.port)
            try:
                unread[user] = reader.log_in(user, PASSWORD)["unread"]
                inboxes[user] = reader.inbox(peer for peer in self._everybody if peer != user)
                if LOBBY not in rooms:
                    rooms[LOBBY] = reader.room(LOBBY)
            finally:
                reader.close()
        return rooms, inboxes, unread


def _all(work: Any) -> Deferred[list[Any]]:
    coroutines: list[Coroutine[Any, Any, Any]] = list(work)
    return gatherResults([Deferred.fromCoroutine(coroutine) for coroutine in coroutines])
