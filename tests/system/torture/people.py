"""The load: people with two devices each, who talk, come and go, and note all they see."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatroom.client import (
    ChatClient,
    Incoming,
    LoginRefused,
    NotConnected,
    Position,
    RegisterRefused,
    SendRefused,
    Sent,
    State,
    Timing,
)
from chatroom.protocol.messages import SEQ_ZERO, Seq
from tests.system.torture.ledger import INBOX, LOBBY, Device, Ledger, Place, Send

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

    What it had no answer to when it went, it sends again under the same id when it is back.

    :param random: its own, so that what it does does not depend on when others do something.
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
        self._record: Device = ledger.device(user, device)
        self._count = 0
        #: How many of its messages were acknowledged.
        self.acknowledged = 0
        self._position = Position()
        self._client: ChatClient | None = None
        #: What has no answer yet, by the ids that it is sent under.
        self._open: dict[str, Send] = {}
        self._talking = True
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
            if not self._record.began:
                # From here on it is to miss nothing.
                position = client.position
                self._record.began = {
                    room: _place(newest) for room, newest in position.rooms.items()
                } | {INBOX: _place(position.inbox or SEQ_ZERO)}
            for name, send in tuple(self._open.items()):
                send.carried_over = True
                self._send(client, name, send)
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
        conversation = INBOX if text.room is None else text.room
        self._record.shown[conversation].append((_place(text.seq), text.content))

    # ---- talking

    def live(self) -> None:
        """Talk, and wander, until told to stop; it has arrived by now."""
        self._life = Deferred.fromCoroutine(self._live())

    async def _live(self) -> None:
        while not self._leaving:
            await self._sleep(0.1 + 0.5 * self._random.random())
            if self._talking and self._client is not None:
                self._say_something(self._client)
            if self._wanders and self._talking and self._random.random() < 0.1:
                await self.depart(8)
                await self._sleep(self._random.random())
                await self.arrive()

    def _say_something(self, client: ChatClient) -> None:
        self._count += 1
        name = f"{self._record.name}#{self._count}"
        content = name + "·" * self._random.choice((0, 5, 300))
        to = self._random.choice(self._peers) if self._random.random() < 0.3 else 0
        send = self._ledger.sending(content, self.user, self._record.name, to, LOBBY)
        self._open[name] = send
        self._send(client, name, send)

    def _send(self, client: ChatClient, name: str, send: Send) -> None:
        if send.to:
            sending = client.send_private(send.to, send.content, message_id=name)
        else:
            sending = client.send(send.content, send.room, message_id=name)
        sending.addCallbacks(
            self._acknowledged, self._failed, callbackArgs=(name,), errbackArgs=(name,)
        )

    def _acknowledged(self, sent: Sent, name: str) -> None:
        self._open.pop(name).acknowledged = _place(sent.seq)
        self.acknowledged += 1

    def _failed(self, failure: Any, name: str) -> None:
        # Without a connection nobody can tell: it stays open, for the next client.
        if failure.trap(SendRefused, NotConnected) is SendRefused:
            self._open.pop(name).refused = failure.getErrorMessage()

    async def settle(self, end: float) -> bool:
        """Stop talking; whether everything sent was answered before that time."""
        self._talking = False
        while self._open or self._client is None:
            if time.monotonic() > end:
                return False
            await self._sleep(0.05)
        return True

    async def end(self) -> None:
        """Stop everything."""
        self._leaving = True
        if self._life is not None:
            await self._life
        await self.depart(3)

    def _sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds)


def _place(seq: Seq) -> Place:
    return seq.ms, seq.n


class Forgetful:
    """A user whose one device keeps no place: it logs in anew each time, and never says goodbye.

    What the server holds for it then is all after its received mark. So a private message may come
    to it twice, if its word that it has it was cut off; but none may be missing.
    """

    def __init__(self, reactor: Any, endpoint: Any, ledger: Ledger, user: int) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._user = user
        self._record = ledger.device(user, f"forgetful {user}", original=INBOX)
        self._leaving = False
        self._client: ChatClient | None = None
        self._life: Deferred[None] | None = None
        self.settled = False

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
            self._record.shown[INBOX].append((_place(text.seq), text.content))

    @property
    def online(self) -> bool:
        client = self._client
        return client is not None and client.state is State.ONLINE and client.login is not None

    async def settle(self) -> None:
        """Wander no more: come once again, and stay for all that was missed.

        :raises ChatError: the server is not there, or not well; it may be tried again.
        """
        await self._stop()
        if self._client is not None:
            await self._client.close(0)
        self._client = ChatClient(
            self._endpoint, reactor=self._reactor, on_text=self._shown, timing=TIMING
        )
        await self._client.connect()
        await self._client.log_in(self._user, PASSWORD)
        self.settled = True

    async def _stop(self) -> None:
        self._leaving = True
        if self._life is not None:
            await self._life
            self._life = None

    async def end(self) -> None:
        """Stop everything."""
        await self._stop()
        if self._client is not None:
            await self._client.close(3)
