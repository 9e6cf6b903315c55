"""A client, a clock, a network, and a server that says what the test tells it to."""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from chatroom.client import ChatClient, Gap, Incoming, State
from chatroom.protocol import codec, messages as wire
from tests.client.network import Network
from tests.wire import MessageReceiver

ResultT = TypeVar("ResultT")
MessageT = TypeVar("MessageT", bound=wire.Message)


class ScriptedServer(MessageReceiver):
    """Keeps what it gets, and says nothing by itself but pongs."""

    def __init__(self) -> None:
        self.got: list[wire.Message] = []

    def stringReceived(self, payload: bytes) -> None:
        message = codec.decode(payload)
        self.got.append(message)
        if isinstance(message, wire.PingMes):
            self.send(wire.PongMes())

    def all(self, kind: type[MessageT]) -> list[MessageT]:
        return [message for message in self.got if isinstance(message, kind)]

    def last(self, kind: type[MessageT]) -> MessageT:
        return self.all(kind)[-1]

    def ids(self) -> list[str]:
        """The ids of the messages to people, in the order they came."""
        return [str(text.id) for text in self.all(wire.Text)]


class Outcome:
    """What became of a Deferred."""

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.times = 0
        self.value: Any = None
        self.error: Exception | None = None
        deferred.addCallbacks(self._value, self._error)

    def _value(self, value: Any) -> None:
        self.times += 1
        self.value = value

    def _error(self, failure: Failure) -> None:
        self.times += 1
        assert isinstance(failure.value, Exception)
        self.error = failure.value

    @property
    def done(self) -> bool:
        return self.times > 0


class Stage:
    """Everything a test of the client needs. User 100, "Ann", is the client's."""

    def __init__(self, clock: Clock | None = None, /, **options: Any) -> None:
        self.clock = clock or Clock()
        self.servers: list[ScriptedServer] = []
        self.network = Network(self._serve)
        self.shown: list[Incoming] = []
        self.states: list[State] = []
        self.presence: list[tuple[list[wire.Person], int]] = []
        self.gaps: list[Gap] = []
        self.marks: list[wire.Message] = []
        named: dict[str, Any] = {
            "on_text": self.shown.append,
            "on_presence": lambda changes, count: self.presence.append((changes, count)),
            "on_state": self.states.append,
            "on_gap": self.gaps.append,
            "on_mark": self.marks.append,
            "chance": lambda: 1.0,
        }
        named.update(options)
        self.client = ChatClient(self.network, reactor=self.clock, **named)

    @property
    def server(self) -> ScriptedServer:
        """The server's side of the newest connection."""
        return self.servers[-1]

    def state(self) -> State:
        return self.client.state

    @property
    def texts(self) -> list[str]:
        return [incoming.content for incoming in self.shown]

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass in small steps, and what is sent arrive."""
        self.network.run()
        while seconds > 0:
            step = min(seconds, 0.05)
            self.clock.advance(step)
            self.network.run()
            seconds -= step

    def say(self, *messages: wire.Message) -> None:
        """The server sends these."""
        self.server.send(*messages)
        self.run()

    def connect(self) -> None:
        connected = Outcome(self.client.connect())
        self.run()
        assert connected.error is None

    def log_in(self, welcome: wire.LoginResMes | None = None, **options: Any) -> Outcome:
        """Log Ann in, with the password unless ``options`` say otherwise."""
        login = Outcome(self.client.log_in(100, **(options or {"password": "secret"})))
        self.run()
        self.say(welcome or a_welcome())
        return login

    def come_back(self, welcome: wire.Message | None = None) -> None:
        """Wait for the client to connect again, and let it in."""
        before = len(self.servers)
        for _ in range(400):
            if len(self.servers) > before and self.server.got:
                break
            self.run(0.05)
        assert isinstance(self.server.got[0], wire.LoginMes)
        self.say(welcome or a_welcome(token="token-2"))

    def ack(self, message_id: str, seq: str, code: int = 200) -> None:
        self.say(wire.AckMes(message_id, code, seq))

    def _serve(self) -> ScriptedServer:
        server = ScriptedServer()
        self.servers.append(server)
        return server


def a_welcome(**fields: Any) -> wire.LoginResMes:
    """A login's answer, with nobody else there and nothing said yet."""
    usual: dict[str, Any] = {
        "code": 200,
        "user_name": "Ann",
        "token": "token-1",
        "users": [wire.Person(100, "Ann", 0)],
        "online": 1,
        "unread": 0,
        "rooms": {"lobby": "5-0"},
        "inbox": "3-0",
        "read": [],
    }
    return wire.LoginResMes(**(usual | fields))


def to_room(content: str, seq: str, user_id: int = 101, **fields: Any) -> wire.SmsMes:
    return wire.SmsMes(
        content, user_id, user_name="Bob", room="lobby", seq=seq, sent_at=1000, **fields
    )


def to_person(
    content: str, seq: str, user_id: int = 101, to: int = 100, **fields: Any
) -> wire.PrivateMes:
    return wire.PrivateMes(
        content, user_id, user_name="Bob", to_user_id=to, seq=seq, sent_at=1000, **fields
    )
