"""The load: people with two devices each, who talk, come and go, and note all they see."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatroom.client import (
    ChatClient,
    ChatError,
    Incoming,
    LoginRefused,
    NotConnected,
    Position,
    RegisterRefused,
    Sent,
    State,
    Timing,
)
from chatroom.wire import SEQ_ZERO, Seq
from tests.system.torture.ledger import Device, Ledger, Place, Send

#: Everybody's password; who they are is not what is tested here.
PASSWORD = "123456"
#: Short waits, so that faults are noticed within the time that an act takes.
TIMING = Timing(
    retry_first=0.05,
    retry_most=1.0,
    resend_most=0.5,
    connect=2.0,
    answer=6.0,
    acknowledgement=6.0,
    ping_after=2.0,
    silence=6.0,
    confirm=0.05,
    goodbye=1.0,
)


class Person:
    """One device of one user: sends what nobody else sends, and notes what it is shown.

    :param wanders: whether it goes away and comes back all the time.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: Any,
        ledger: Ledger,
        random: Random,
        user: int,
        device: str,
        peers: list[int],
        *,
        wanders: bool,
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._ledger = ledger
        self._random = random
        self._peers = peers
        self._wanders = wanders
        self.user = user
        self.record: Device = ledger.device(user, device)
        self._count = 0
        self._position = Position()
        self._client: ChatClient | None = None
        self._pending: list[Deferred[None]] = []
        self.talking = True
        self._leaving = False
        self._life: Deferred[None] | None = None

    # ---- coming and going

    async def arrive(self) -> None:
        """Connect and log in, again and again until it works."""
        while not self._leaving:
            client = ChatClient(
                self._endpoint,
                reactor=self._reactor,
                on_text=self._shown,
                position=self._position,
                timing=TIMING,
                chance=self._random.random,
            )
            try:
                await client.connect()
                await self._log_in(client)
            except (NotConnected, LoginRefused, RegisterRefused):
                await client.close(0.1)
                await self._sleep(0.2)
                continue
            self._client = client
            if not self.record.began:
                # From here on it is to miss nothing.
                position = client.position
                self.record.began = {
                    "room": _place(position.rooms["lobby"]),
                    "inbox": _place(position.inbox or SEQ_ZERO),
                }
            return

    async def _log_in(self, client: ChatClient) -> None:
        try:
            await client.log_in(self.user, PASSWORD)
        except LoginRefused as error:
            if error.code != 500:
                raise
            await client.register(self.user, PASSWORD, f"person {self.user}")
            await client.log_in(self.user, PASSWORD)

    async def depart(self, patience: float) -> None:
        """Go, with what is under way finished, and remember the place."""
        client, self._client = self._client, None
        if client is not None:
            await client.close(patience)
            self._position = client.position.copy()

    def _shown(self, text: Incoming) -> None:
        conversation = "room" if text.kind == "room" else "inbox"
        self.record.shown[conversation].append((_place(text.seq), text.content))

    # ---- talking

    def live(self) -> None:
        """Talk, and wander, until told to stop; it has arrived by now."""
        self._life = Deferred.fromCoroutine(self._live())

    async def _live(self) -> None:
        while not self._leaving:
            await self._sleep(0.1 + 0.5 * self._random.random())
            if self.talking and self._client is not None:
                self._say_something(self._client)
            if self._wanders and self.talking and self._random.random() < 0.1:
                await self.depart(8)
                await self._sleep(self._random.random())
                await self.arrive()

    def _say_something(self, client: ChatClient) -> None:
        self._count += 1
        content = f"{self.record.name}#{self._count}" + "·" * self._random.choice((0, 5, 300))
        to = self._random.choice(self._peers) if self._random.random() < 0.3 else 0
        send = self._ledger.sending(content, self.user, self.record.name, to)
        sending = client.send_private(to, content) if to else client.send(content)
        self._pending.append(
            sending.addCallbacks(_acknowledged, _refused, callbackArgs=(send,), errbackArgs=(send,))
        )

    async def settle(self, patience: float) -> bool:
        """Stop talking; whether everything sent was answered within so many seconds."""
        self.talking = False
        until = self._reactor.seconds() + patience
        while self._reactor.seconds() < until:
            self._pending = [pending for pending in self._pending if not pending.called]
            if not self._pending and self._client is not None:
                return True
            await self._sleep(0.05)
        return False

    async def end(self) -> None:
        """Stop everything."""
        self._leaving = True
        if self._life is not None:
            await self._life
        await self.depart(3)

    @property
    def place(self) -> tuple[Any, ...]:
        """How far it has come."""
        client = self._client
        if client is None:
            return ()
        return client.position.rooms.get("lobby"), client.position.inbox

    def _sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds)


def _place(seq: Seq) -> Place:
    return seq.ms, seq.n


def _acknowledged(sent: Sent, send: Send) -> None:
    send.acknowledged = _place(sent.seq)


def _refused(failure: Any, send: Send) -> None:
    failure.trap(ChatError)
    send.refused = failure.getErrorMessage()


class Forgetful:
    """A user whose one device keeps no place: it logs in anew each time, and never says goodbye.

    What the server holds for it then is all after its received mark. So a private message may come
    to it twice, if its word that it has it was cut off; but none may be missing.
    """

    def __init__(self, reactor: Any, endpoint: Any, ledger: Ledger, user: int) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._user = user
        self._record = ledger.device(user, f"forgetful {user}", original=True, watches=("inbox",))
        self._leaving = False
        self._client: ChatClient | None = None
        self._life: Deferred[None] | None = None

    def live(self) -> None:
        """Be there, again and again."""
        self._life = Deferred.fromCoroutine(self._live())

    async def _live(self) -> None:
        while not self._leaving:
            self._client = client = ChatClient(
                self._endpoint,
                reactor=self._reactor,
                on_text=self._shown,
                reconnect=False,
                timing=TIMING,
            )
            try:
                await client.connect()
                await client.log_in(self._user, PASSWORD)
                while client.state is State.ONLINE and not self._leaving:
                    await deferLater(self._reactor, 0.05)
            except (NotConnected, LoginRefused):
                await deferLater(self._reactor, 0.1)
            await client.close(0)

    def _shown(self, text: Incoming) -> None:
        if text.kind == "private":
            self._record.shown["inbox"].append((_place(text.seq), text.content))

    async def end(self) -> None:
        """Stop, after one last login at which all that was missed comes."""
        self._leaving = True
        if self._life is None:
            return
        await self._life
        self._life = None
        client = ChatClient(
            self._endpoint, reactor=self._reactor, on_text=self._shown, timing=TIMING
        )
        await client.connect()
        before = len(self._record.shown["inbox"])
        login = await client.log_in(self._user, PASSWORD)
        for _ in range(100):
            if len(self._record.shown["inbox"]) >= before + login.unread:
                break
            await deferLater(self._reactor, 0.05)
        await client.close(3)
