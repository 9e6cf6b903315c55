"""One act: a stage, the load on it, one fault, and the judgement."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import endpoints
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from chatroom.store.binary import find_binary
from tests.system.lab import own_valkey
from tests.system.torture.faults import Fault
from tests.system.torture.ledger import Ledger, Verdict, place
from tests.system.torture.original import OriginalClient
from tests.system.torture.people import PASSWORD, Forgetful, Person
from tests.system.torture.proxy import Proxy
from tests.system.torture.reader import Reader
from tests.system.torture.stage import Server, slow_disk, small_disk

#: Users with two devices each; every other device wanders.
USERS = list(range(101, 111))
#: Users of the original client.
ORIGINALS = [201, 202]
#: A user whose device keeps no place.
FORGETFUL = 251
#: Who probes whether service is back.
PROBE = 301


@dataclass
class Outcome:
    """What an act showed. Times in seconds."""

    fault: str
    verdict: Verdict
    #: From the cause being gone to a newcomer having logged in, sent and been acknowledged.
    back_after: float
    #: From the cause being gone to every device being there with all that it had sent answered.
    well_after: float
    torn: int
    #: Why sends were not acknowledged, and how many of each.
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
        self._folder = folder
        self._scale = scale
        self._code = code
        self._patience = patience
        self._users = USERS if users is None else users
        self.random = Random(f"{seed} {fault.name}")  # to be repeatable
        self.ledger = Ledger()
        self.server: Server
        self.front: Proxy
        self.back: Proxy | None = None
        self._people: list[Person] = []
        self._originals: list[OriginalClient] = []
        self._probes = 0

    def sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds)

    def length(self, full: float) -> float:
        """How long something takes in a run of this scale; in seconds, or times."""
        return max(full * self._scale, 1.0)

    def whisper_to_forgetful(self) -> Deferred[None]:
        """Some private messages to the user whose device keeps no place."""
        return deferToThread(self._whisper)

    def _whisper(self) -> None:
        reader = Reader(self.server.port)
        reader.log_in(PROBE, PASSWORD)
        for _ in range(5):
            self._probes += 1
            content = f"whisper#{self._probes}"
            send = self.ledger.sending(content, PROBE, "probe", FORGETFUL)
            send.acknowledged = place(reader.say(content, FORGETFUL))
        reader.close()

    async def play(self) -> Outcome:
        """:raises PermissionError: the stage can't be set here."""
        with self._stage() as stage:
            await stage
            try:
                return await self._play()
            finally:
                await self._clear()

    # ---- the stage

    @contextlib.contextmanager
    def _stage(self) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            folder, redis = self._folder, None
            if self._fault.stage == "small disk":
                folder = stack.enter_context(small_disk(folder, "12m"))
            if self._fault.stage == "redis":
                redis = stack.enter_context(own_valkey(find_binary()[0])).socket
            # Before anything is started, so that whatever happens it is ended.
            self.server = self._server(folder, redis)
            stack.callback(self.server.stop)
            yield self._set(folder, redis)

    def _server(self, folder: Path, redis: Path | None) -> Server:
        url = None if redis is None else f"unix://{folder}/proxy.sock"
        return Server(
            folder,
            redis=url,
            code=self._code,
            preload=slow_disk(folder) if self._fault.stage == "slow disk" else None,
            more=self._fault.options,
        )

    async def _set(self, folder: Path, redis: Path | None) -> None:
        if redis is not None:
            target: Any = endpoints.UNIXClientEndpoint(self._reactor, str(redis))
            self.back = Proxy(target, self.random)
            self.back.port = self._reactor.listenUNIX(str(folder / "proxy.sock"), self.back)
        await deferToThread(self.server.start)
        target = endpoints.TCP4ClientEndpoint(self._reactor, "127.0.0.1", self.server.port)
        self.front = Proxy(target, self.random)
        port = self.front.port = self._reactor.listenTCP(0, self.front, interface="127.0.0.1")
        await deferToThread(self._register)
        through = endpoints.TCP4ClientEndpoint(self._reactor, "127.0.0.1", port.getHost().port)
        for user in self._users:
            peers = [peer for peer in [*self._users, *ORIGINALS, FORGETFUL] if peer != user]
            for device, wanders in (("a", False), ("b", True)):
                self._people.append(
                    Person(
                        self._reactor,
                        through,
                        self.ledger,
                        self.random,
                        user,
                        f"{user}{device}",
                        peers,
                        wanders=wanders,
                    )
                )
        self._forgetful = Forgetful(self._reactor, through, self.ledger, FORGETFUL)
        for user in ORIGINALS:
            # Not through the proxy: it would tear frames itself.
            self._originals.append(OriginalClient(self.server.port, self.ledger, user, PASSWORD))

    def _register(self) -> None:
        reader = Reader(self.server.port)
        for user in (*self._users, *ORIGINALS, FORGETFUL, PROBE):
            reader.register(user, PASSWORD)
        reader.close()

    async def _clear(self) -> None:
        for original in self._originals:
            await deferToThread(original.stop)
        await self._forgetful.end()
        await gatherResults([Deferred.fromCoroutine(person.end()) for person in self._people])
        for proxy in (self.front, self.back):
            if proxy is not None and proxy.port is not None:
                for pair in tuple(proxy.pairs):
                    pair.cut()
                await proxy.port.stopListening()

    # ---- the play

    async def _play(self) -> Outcome:
        await gatherResults([Deferred.fromCoroutine(person.arrive()) for person in self._people])
        for original in self._originals:
            original.start()
        self._forgetful.live()
        for person in self._people:
            person.live()
        await self.sleep(self.length(2))
        await self._fault.run(self)
        gone = time.monotonic()
        back = await deferToThread(self._probe, gone)
        await self.sleep(self.length(2))
        well = await self._until_well(gone)
        await self._until_quiet()
        await self._forgetful.end()
        for original in self._originals:
            await deferToThread(original.stop)
        verdict = await deferToThread(self._judge)
        if well is None:
            verdict.wrong("not everything that was sent was answered in time")
        torn = sum(original.torn for original in self._originals)
        if torn:
            verdict.wrong(f"{torn} torn frames reached an original client")
        refusals = Counter(send.refused for send in self.ledger.sends.values() if send.refused)
        return Outcome(self._fault.name, verdict, back, well or self._patience, torn, refusals)

    def _probe(self, since: float) -> float:
        """Log in and send as a newcomer, again and again until it works; seconds it took."""
        while time.monotonic() - since < self._patience:
            self._probes += 1
            content = f"probe#{self._probes}"
            send = self.ledger.sending(content, PROBE, "probe")
            try:
                reader = Reader(self.server.port, timeout=1.0)
                try:
                    reader.log_in(PROBE, PASSWORD)
                    send.acknowledged = place(reader.say(content))
                finally:
                    reader.close()
            except OSError:
                time.sleep(0.05)
                continue
            return time.monotonic() - since
        return self._patience

    async def _until_well(self, since: float) -> float | None:
        settled: list[bool] = await gatherResults(
            [Deferred.fromCoroutine(person.settle(self._patience)) for person in self._people]
        )
        return time.monotonic() - since if all(settled) else None

    async def _until_quiet(self) -> None:
        """Wait until nobody gets anything new any more: everybody has caught up."""
        still, before = 0, None
        for _ in range(int(self._patience * 5)):
            now = [
                (*person.place, *map(len, person.record.shown.values())) for person in self._people
            ]
            still = still + 1 if now == before else 0
            if still >= 10:
                return
            before = now
            await self.sleep(0.1)

    def _judge(self) -> Verdict:
        everybody = [*self._users, *ORIGINALS, FORGETFUL, PROBE]
        inboxes, unread, room = {}, {}, []
        for user in everybody:
            reader = Reader(self.server.port)
            answer = reader.log_in(user, PASSWORD)
            unread[user] = answer["unread"]
            inboxes[user] = reader.inbox([peer for peer in everybody if peer != user])
            room = reader.room()
            reader.close()
        return self.ledger.judge(room, inboxes, unread)
