"""Those who misbehave, all the time and never too many: each kind from addresses of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from twisted.internet.task import LoopingCall

from chatroom.protocol import messages as wire
from tests.fuzz.inputs import Inputs
from tests.soak.people import FIRST, Crowd, Wire
from tests.wire import PASSWORD

#: Connections of one kind that are open at most, for each thousand people.
OPEN = 15
#: Ids of those who exist only to misbehave.
SLOW, FLOODING, ODD, NEW = 900_001, 900_101, 900_201, 910_000
#: Pages of history that a slow reader asks for.
PAGES = 100


class Trouble:
    """Starts and stops all kinds of it.

    :param size: thousands of people: there is more trouble where there are more.
    """

    def __init__(self, crowd: Crowd, size: float) -> None:
        self._crowd = crowd
        self._most = max(2, round(OPEN * size))
        self._inputs = Inputs(crowd.random, range(ODD, ODD + 20))
        self._numbers = count()
        self._open: dict[str, deque[Wire]] = {}
        pause = 1 / max(size, 0.2)
        self._loops = [
            (LoopingCall(self._slow_reader), 5 * pause),
            (LoopingCall(self._malformed), pause / 2),
            (LoopingCall(self._half_open), pause),
            (LoopingCall(self._flood), 4 * pause),
            (LoopingCall(self._wrong_password), pause),
            (LoopingCall(self._register), 5 * pause),
            (LoopingCall(self._knock), pause / 2),
        ]

    def start(self) -> None:
        for loop, seconds in self._loops:
            loop.start(seconds, now=False)

    def stop(self) -> None:
        for loop, _ in self._loops:
            loop.stop()
        for connections in self._open.values():
            while connections:
                connections.popleft().leave(abort=True)

    def _connect(self, kind: str, begin: Callable[[Wire], None], *, reads: bool = True) -> None:
        """One more of a kind; the oldest one goes when there are enough."""
        connections = self._open.setdefault(kind, deque())
        if len(connections) >= self._most:
            connections.popleft().leave(abort=True)
        protocol = Wire(_ignore, lambda: begin(protocol))
        connections.append(protocol)
        self._crowd.counts[kind] += 1
        number = next(self._numbers)
        # Where each kind comes from: nobody else does.
        network = 100 + list(self._open).index(kind)
        self._crowd.dial(protocol, f"127.{network}.{number // 250 % 250}.{number % 250 + 1}")

    def _enter(self, protocol: Wire, user_id: int) -> None:
        user = wire.User(user_id=user_id, user_pwd=PASSWORD, user_name=f"odd {user_id}")
        login = wire.LoginMes(user_id=user_id, user_pwd=PASSWORD, protocol=2)
        protocol.send(wire.RegisterMes(user=user), login)

    def _slow_reader(self) -> None:
        """Asks for much, and reads nothing."""

        def begin(protocol: Wire) -> None:
            self._enter(protocol, SLOW + self._crowd.random.randrange(10))
            protocol.send(*[wire.HistoryMes(limit=200) for _ in range(PAGES)])
            if protocol.transport is not None:
                protocol.transport.pauseProducing()

        self._connect("slow readers", begin)

    def _malformed(self) -> None:
        def begin(protocol: Wire) -> None:
            if self._crowd.random.random() < 0.5:
                self._enter(protocol, ODD + self._crowd.random.randrange(20))
            for _ in range(5):
                protocol.write(self._inputs.frame())
            protocol.write(self._inputs.raw())

        self._connect("malformed", begin)

    def _half_open(self) -> None:
        def begin(protocol: Wire) -> None:
            protocol.write(b"\x00\x00\x00\x40{"[: self._crowd.random.randrange(6)])

        self._connect("half-open", begin)

    def _flood(self) -> None:
        def begin(protocol: Wire) -> None:
            user_id = FLOODING + self._crowd.random.randrange(10)
            self._enter(protocol, user_id)
            protocol.send(*[wire.PingMes() for _ in range(300)])
            protocol.send(
                *[wire.PrivateMes(content=f"{n}", to_user_id=user_id) for n in range(150)],
                *[wire.UsersMes() for _ in range(50)],
            )

        self._connect("floods", begin)

    def _wrong_password(self) -> None:
        def begin(protocol: Wire) -> None:
            user_id = FIRST + self._crowd.random.randrange(len(self._crowd.people))
            protocol.send(wire.LoginMes(user_id=user_id, user_pwd="a wrong one", protocol=2))

        self._connect("wrong passwords", begin)

    def _register(self) -> None:
        self._connect("registering", lambda it: self._enter(it, NEW + next(self._numbers)))

    def _knock(self) -> None:
        self._connect("knocking", lambda it: it.leave(abort=self._crowd.random.random() < 0.5))


def _ignore(payload: bytes) -> None:
    """Whatever the server says to it."""
