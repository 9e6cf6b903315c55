"""Those who come, talk to all and to each other, go, and come back to where they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import UNSET
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.python.failure import Failure

from chatroom.protocol import codec, messages as wire
from chatroom.protocol.messages import Message
from tests.wire import PASSWORD, MessageReceiver

#: Seconds between two things that somebody says, on average ...
TALK = 30.0
#: ... of which this part goes to the room, for all to read.
TO_ALL = 0.1
#: Seconds that somebody stays, and stays away, on average.
STAY, AWAY = 150.0, 15.0
#: The first of the people's ids, and people for each of the addresses that they come from.
FIRST, SHARE = 1000, 50
_ROOM = b'{"type":"SmsMes"'


class Wire(MessageReceiver):
    """A connection: whole payloads in, messages out. What the room says is not decoded."""

    MAX_LENGTH = wire.MAX_SERVER_FRAME

    def __init__(self, take: Callable[[bytes], None], made: Callable[[], None]) -> None:
        self._take = take
        self._made = made
        self.on_lost: Callable[[], None] = lambda: None
        self._left = False

    def connectionMade(self) -> None:
        if self._left:
            # Too late: whom it was for has gone on.
            self.leave(abort=True)
        else:
            self._made()

    def stringReceived(self, payload: bytes) -> None:
        self._take(payload)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.on_lost()

    def leave(self, *, abort: bool = False) -> None:
        self._left = True
        transport: Any = self.transport
        if transport is not None:
            (transport.abortConnection if abort else transport.loseConnection)()


class Dial(ClientFactory):
    """Makes one connection from an address of our own."""

    noisy = False

    def __init__(self, protocol: Wire) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Wire:
        return self._protocol

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._protocol.on_lost()


class Crowd:
    """What all people have in common: the server, chance, and what is counted."""

    def __init__(self, reactor: Any, port: int, random: Random) -> None:
        self.reactor = reactor
        self.port = port
        self.random = random
        #: Nobody says anything or goes while it is set.
        self.calm = False
        self.counts: Counter[str] = Counter()
        self.people: list[Person] = []

    def dial(self, protocol: Wire, address: str) -> None:
        self.reactor.connectTCP(
            "127.0.0.1", self.port, Dial(protocol), timeout=20, bindAddress=(address, 0)
        )

    def soon(self, seconds: float, what: Callable[[], object]) -> None:
        """Call ``what`` after about that time."""
        self.reactor.callLater(self.random.expovariate(1 / seconds), what)

    @property
    def online(self) -> int:
        return sum(person.is_in for person in self.people)


class Person:
    """One user with one device."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self.user_id = FIRST + number
        self._dialect = 1 if number % 10 == 0 else 2
        self._address = f"127.1.{number // SHARE // 250}.{number // SHARE % 250 + 1}"
        self._wire: Wire | None = None
        self._registered = False
        self._token = ""
        self._last_heard = b""
        self._room = ""
        self._inbox = ""
        self.is_in = False

    def come(self) -> None:
        protocol = Wire(self._take, self._log_in)
        protocol.on_lost = self._lost
        self._wire = protocol
        self._crowd.dial(protocol, self._address)

    def _log_in(self) -> None:
        assert self._wire is not None
        messages: list[Message] = []
        if not self._registered:
            user = wire.User(
                user_id=self.user_id, user_pwd=PASSWORD, user_name=f"user {self.user_id}"
            )
            messages.append(wire.RegisterMes(user=user))
        login = wire.LoginMes(user_id=self.user_id, user_pwd=PASSWORD)
        if self._dialect == 2:
            login.protocol = 2
            if self._token:
                login.token, login.user_pwd = self._token, ""
                rooms = {wire.LOBBY: self._room} if self._room else {}
                login.resume = wire.Resume(rooms=rooms, inbox=self._inbox or UNSET)
        self._wire.send(*messages, login)

    def _take(self, payload: bytes) -> None:
        if payload.startswith(_ROOM):
            self._crowd.counts["heard"] += 1
            self._last_heard = payload
            return
        match codec.decode(payload):
            case wire.RegisterResMes() as answer:
                self._registered = answer.code in (200, 505)
            case wire.LoginResMes() as answer:
                self._answered(answer)
            case wire.PingMes():
                self._say(wire.PongMes())
            case wire.PrivateMes() as message:
                self._inbox = message.seq or self._inbox
                self._crowd.counts["private heard"] += 1
            case wire.AckMes() as ack:
                self._crowd.counts["acknowledged" if ack.code in (200, 202) else f"{ack.code}"] += 1
            case wire.ErrorMes() as error:
                self._crowd.counts[f"error {error.code}"] += 1

    def _answered(self, answer: wire.LoginResMes) -> None:
        if answer.code != wire.Code.OK:
            self._crowd.counts[f"login {answer.code}"] += 1
            self._token = ""
            self._go()
            return
        self._crowd.counts["logins"] += 1
        self._token = answer.token or ""
        self._inbox = self._inbox or answer.inbox or ""
        self.is_in = True
        wire_now = self._wire
        self._crowd.soon(TALK, lambda: self._talk(wire_now))
        self._crowd.soon(STAY, lambda: self._leave(wire_now))

    def _say(self, *messages: Message) -> None:
        if self._wire is not None and self.is_in:
            self._wire.send(*messages)

    def _talk(self, then: Wire | None) -> None:
        if then is not self._wire or not self.is_in:
            return
        self._crowd.soon(TALK, lambda: self._talk(then))
        if self._crowd.calm:
            return
        random = self._crowd.random
        name = f"{self.user_id}-{random.getrandbits(64):x}"
        content = "x" * random.randrange(1, 200)
        self._crowd.counts["said" if self._dialect == 2 else "said in dialect 1"] += 1
        if random.random() < TO_ALL:
            self._say(wire.SmsMes(content=content, id=name))
        else:
            peer = random.choice(self._crowd.people).user_id
            self._say(wire.PrivateMes(content=content, to_user_id=peer, id=name))
            if self._inbox:
                self._say(
                    wire.ReceivedMes(inbox=self._inbox), wire.ReadMes(peer=peer, seq=self._inbox)
                )
        if random.random() < 0.1:
            self._say(random.choice((wire.HistoryMes(), wire.UsersMes(), wire.StatusMes(status=0))))

    def _leave(self, then: Wire | None) -> None:
        if then is not self._wire or not self.is_in:
            return
        if self._crowd.calm:
            self._crowd.soon(STAY, lambda: self._leave(then))
        elif self._crowd.random.random() < 0.3:
            self._say(wire.LogoutMes())
            self._token = ""
        else:
            self._go(abort=self._crowd.random.random() < 0.5)

    def _go(self, *, abort: bool = False) -> None:
        if self._wire is not None:
            self._wire.leave(abort=abort)

    def _lost(self) -> None:
        if self._last_heard:
            message = codec.decode(self._last_heard)
            if isinstance(message, wire.SmsMes):
                self._room = message.seq or self._room
            self._last_heard = b""
        self._wire, self.is_in = None, False
        self._crowd.soon(1 if self._crowd.calm else AWAY, self.come)
