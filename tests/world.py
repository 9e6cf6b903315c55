"""A server with no sockets: nodes on a store in memory, and clients that say and get messages.

Nothing happens by itself: what was asked of the store, and what it tells, comes with
`World.settle`, which goes on until nothing is due; time goes on with `World.wait`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from argon2 import PasswordHasher
from msgspec import UNSET
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock, deferLater

from chatroom.accounts.accounts import Accounts
from chatroom.accounts.passwords import Passwords
from chatroom.limits.rate import RateLimits
from chatroom.node.node import LOGIN_TIMEOUT, Node
from chatroom.protocol import codec, messages as wire
from chatroom.protocol.dialects import DIALECT_1, DIALECT_2, Blob, Codec
from chatroom.protocol.messages import Message, Seq
from chatroom.sessions import dispatch
from chatroom.sessions.session import Session
from chatroom.store.records import Account
from tests.doubles.memory_backend import MemoryBackend
from tests.doubles.memory_store import MemoryStore
from tests.wire import frames

M = TypeVar("M", bound=Message)
T = TypeVar("T")

PASSWORD = "secret"


def hashed(password: str) -> str:
    """A hash as cheap as those of `World`, at once."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


class Turns(Clock):
    """A clock that can also do one thing at a time."""

    @property
    def due(self) -> bool:
        """Whether there is something to do before time goes on."""
        return bool(self.calls) and self.calls[0].getTime() <= self.seconds()

    def turn(self) -> bool:
        """Do the first thing that is due; False: there is none."""
        if not self.due:
            return False
        call: Any = self.calls.pop(0)
        call.called = 1
        call.func(*call.args, **call.kw)
        return True


class Line:
    """A client's connection as a way out: an `Outbox` that can be stuck, and has a bound.

    :param take: gets what leaves.
    """

    def __init__(self, take: Callable[[bytes], None], limit: int) -> None:
        self.queued = 0
        self.on_drained: Callable[[], None] = lambda: None
        self.on_full: Callable[[], None] = lambda: None
        #: Nothing leaves while it is set.
        self.stuck = False
        self._take = take
        self._limit = limit
        self._waiting: deque[tuple[Blob, Callable[[], None]]] = deque()
        self._done: Callable[[], None] | None = None
        self._over = False

    @staticmethod
    def put_to_all(outboxes: Collection[Any], blob: Blob) -> None:
        for outbox in outboxes:
            outbox.put(blob)

    def put(self, blob: Blob) -> None:
        self.put_marked(blob, lambda: None)

    def put_marked(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        assert not self._over, "something was sent on a connection that is closing or lost"
        size = sum(map(len, blob))
        if not self.stuck and not self._waiting:
            self._leave(blob, on_arrived)
        elif self.queued and self.queued + size > self._limit:
            self.on_full()
        else:
            self._waiting.append((blob, on_arrived))
            self.queued += size

    def cut_short(self, blob: Blob) -> None:
        self._waiting.clear()
        self._waiting.append((blob, lambda: None))
        self.queued = sum(map(len, blob))

    def finish(self, done: Callable[[], None]) -> None:
        self._over = True
        if self._waiting:
            self._done = done
        else:
            done()

    def drop(self) -> None:
        self._over = True
        self._waiting.clear()
        self.queued = 0

    def drain(self) -> None:
        """Let everything leave, now and from now on."""
        self.stuck = False
        while self._waiting:
            self._leave(*self._waiting.popleft())
        self.queued = 0
        if self._done is not None:
            self._done()
        else:
            self.on_drained()

    def _leave(self, blob: Blob, on_arrived: Callable[[], None]) -> None:
        for piece in blob:
            self._take(piece)
        on_arrived()


class Client:
    """A connected client: the `Connection` of its session, and what its user sees."""

    token = ""
    takes_dialect_1 = True

    def __init__(
        self, node: Node, *, address: str = "somewhere", send_queue: int = 1 << 20
    ) -> None:
        self.address = address
        self.outbox: Any = Line(self._take, send_queue)
        #: All that has come and was not looked at yet.
        self.got: list[Message] = []
        self.closed = False
        self.aborted = False
        self._paused = False
        self._unread: deque[bytes] = deque()
        self._lost = False
        self.session = Session(node, self)

    # ---- what the session calls

    def speak(self, dialect: int) -> Codec:
        return DIALECT_1 if dialect == 1 else DIALECT_2

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._read()

    def close(self) -> None:
        self.outbox.finish(self._hung_up)

    def abort(self) -> None:
        assert not self._lost, "a connection that is gone was aborted"
        self.aborted = True
        self.cut()

    def _hung_up(self) -> None:
        self.closed = True
        self.cut()

    # ---- the client's side

    @property
    def gone(self) -> bool:
        """Whether the connection is over, however it ended."""
        return self._lost

    def has_to_wait(self) -> bool:
        """Whether the server reads nothing from it for now."""
        return self._paused

    def cut(self) -> None:
        """The connection is lost, with what had not left yet."""
        if not self._lost:
            self._lost = True
            self.outbox.drop()
            self.session.lost()

    def says(self, *messages: Message) -> None:
        """Send messages; those behind one that makes the server wait are read when it goes on."""
        for message in messages:
            self.says_frame(codec.encode(message))

    def says_frame(self, payload: bytes) -> None:
        """Send one frame, whatever is in it."""
        if not self._lost:
            self._unread.append(payload)
            self._read()

    def _read(self) -> None:
        while self._unread and not self._paused and not self._lost:
            self.session.heard()
            dispatch.frame_received(self.session, self._unread.popleft())

    def _take(self, data: bytes) -> None:
        self.got += map(codec.decode, frames(data))

    def take(self) -> list[Message]:
        """What came since the last look."""
        got, self.got = self.got, []
        return got

    def take_only(self, kind: type[M]) -> list[M]:
        """What came of one type since the last look; the rest is forgotten."""
        return [message for message in self.take() if isinstance(message, kind)]

    def take_one(self, kind: type[M]) -> M:
        """The only message that came of a type; the rest is forgotten."""
        [message] = self.take_only(kind)
        return message

    def texts(self) -> list[str]:
        """The contents of the messages that came, to all and private; the rest is forgotten."""
        return [message.content for message in self.take_only(wire.Text)]

    def acks(self) -> list[tuple[str, int]]:
        """The ids and codes that were acknowledged; the rest is forgotten."""
        return [(ack.id, ack.code) for ack in self.take_only(wire.AckMes)]


class World:
    """Nodes that share a store, and the people on them.

    :param make_accounts: makes a node's accounts.
    :param rates: how fast the clients of a node may send.
    """

    def __init__(
        self,
        *,
        make_accounts: Callable[[MemoryStore, Passwords], Accounts] = Accounts,
        login_timeout: float = LOGIN_TIMEOUT,
        rates: RateLimits | None = None,
        **limits: int,
    ) -> None:
        self._make_accounts = make_accounts
        self._login_timeout = login_timeout
        self._rates = rates
        self.clock: Any = Turns()
        self.backend = MemoryBackend(self.clock)
        #: What a hash takes instead of a thread: a turn. A test may put another in its place.
        self.in_thread: Callable[..., Deferred[Any]] = self._in_a_turn
        self.passwords = Passwords(
            lambda function, *args: self.in_thread(function, *args), time_cost=1, memory_kib=8
        )
        self.stores: dict[str, MemoryStore] = {}
        self.nodes: dict[str, Node] = {}
        self._limits = limits

    def _in_a_turn(self, function: Callable[..., T], *args: object) -> Deferred[T]:
        return deferLater(self.clock, 0, function, *args)

    def make_store(self, name: str) -> MemoryStore:
        return MemoryStore(self.backend, node=name, **self._limits)

    def node(self, name: str = "one") -> Node:
        """The node of that name, started when it is first asked for."""
        if name not in self.nodes:
            store = self.stores[name] = self.make_store(name)
            self.nodes[name] = Node(
                self.clock,
                store,
                self._make_accounts(store, self.passwords),
                name=name,
                login_timeout=self._login_timeout,
                rate_limits=self._rates,
            )
            self.run(self.nodes[name].start())
        return self.nodes[name]

    def store(self, name: str = "one") -> MemoryStore:
        self.node(name)
        return self.stores[name]

    def settle(self) -> None:
        """Until nothing is due any more."""
        self.clock.advance(0)

    def wait(self, seconds: float, step: float = 0.1) -> None:
        """Let time go on, in steps."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
        self.settle()

    def run(self, asked: Deferred[T] | Coroutine[Any, Any, T]) -> T:
        """What comes of it once everything settled; raises what it failed with."""
        deferred = ensureDeferred(asked)
        self.settle()
        results: list[Any] = []
        deferred.addBoth(results.append)
        assert results, "it did not come to an end"
        [result] = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        found: T = result
        return found

    # ---- people

    def account(self, user_id: int, *, status: int = 0) -> Account:
        """The account of a user, made when it is first asked for, with `PASSWORD`."""
        if user_id not in self.backend.accounts:
            self.backend.accounts[user_id] = Account(
                user_id=user_id,
                name=f"user {user_id}",
                password=hashed(PASSWORD),
                status=status,
                sex="x",
            )
        return self.backend.accounts[user_id]

    def connect(
        self, node: str = "one", *, address: str = "somewhere", send_queue: int = 1 << 20
    ) -> Client:
        """A client that has not logged in."""
        return Client(self.node(node), address=address, send_queue=send_queue)

    def login(self, user_id: int, *, dialect: int = 2, **more: Any) -> wire.LoginMes:
        """What that user says to log in."""
        self.account(user_id)
        protocol = 2 if dialect == 2 else UNSET
        return wire.LoginMes(user_id=user_id, **{"user_pwd": PASSWORD, "protocol": protocol} | more)

    def enter(
        self, user_id: int, node: str = "one", *, dialect: int = 2, send_queue: int = 1 << 20
    ) -> Client:
        """A client of that user that is logged in; what it got is not looked at yet."""
        client = self.connect(node, send_queue=send_queue)
        client.says(self.login(user_id, dialect=dialect))
        self.settle()
        assert client.session.is_member, client.got
        return client

    def member(self, user_id: int, node: str = "one", **options: int) -> Client:
        """A client that is logged in; what came with that, and told others of it, is forgotten."""
        client = self.enter(user_id, node, **options)
        self.wait(0.3)
        self.forget(client)
        return client

    def resume(
        self, user_id: int, node: str = "one", *, lobby: Seq | None = None, inbox: Seq | None = None
    ) -> Client:
        """A client that comes back with what it knows."""
        client = self.connect(node)
        rooms = {} if lobby is None else {wire.LOBBY: str(lobby)}
        places = wire.Resume(rooms=rooms, inbox=UNSET if inbox is None else str(inbox))
        client.says(self.login(user_id, resume=places))
        self.settle()
        return client

    def forget(self, *clients: Client) -> None:
        """What these have got up to here is not looked at."""
        for client in clients:
            client.take()

    # ---- the store's own view

    def room(self) -> list[Seq]:
        return [entry.seq for entry in self.backend.room(wire.LOBBY).entries]

    def room_texts(self) -> list[str]:
        return [entry.post.content for entry in self.backend.room(wire.LOBBY).entries]

    def mailbox(self, user_id: int) -> list[Seq]:
        return [entry.seq for entry in self.backend.mailbox(user_id).entries]


def sms(content: str = "hello", id: str = "") -> wire.SmsMes:  # noqa: A002
    """A message to the lobby."""
    return wire.SmsMes(content=content, id=id or UNSET)


def private(to: int, content: str = "hello", id: str = "") -> wire.PrivateMes:  # noqa: A002
    """A message to one person."""
    return wire.PrivateMes(content=content, to_user_id=to, id=id or UNSET)


def kinds(messages: Sequence[Message]) -> list[str]:
    """The names of the messages' types."""
    return [type(message).__name__ for message in messages]
