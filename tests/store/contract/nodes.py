"""What the contract's tests are written in: nodes of one store, and what each is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from chatroom.protocol.messages import LOBBY, Person, Seq
from chatroom.store.events import AnnounceEvent, MailboxEvent, ModerationEvent, PresenceEvent
from chatroom.store.interface import Store
from chatroom.store.records import Account, Entry, Post, Receipt

E = TypeVar("E")
T = TypeVar("T")

#: Where a clock that was wrong has led: the year 2100, in milliseconds since 1970.
FUTURE = 4_102_444_800_000
#: Seconds that a node of these tests lives without a heartbeat: no machine is so busy for so long.
#: None waits for that to pass; `Nodes.pass_time` makes it pass.
LIFETIME = 60
#: Seconds between its heartbeats.
HEARTBEAT = 0.1


class Recorder:
    """A `BusListener` that remembers."""

    def __init__(self) -> None:
        self.room: list[Entry] = []
        self.mail: list[MailboxEvent] = []
        self.presence: list[PresenceEvent] = []
        self.moderation: list[ModerationEvent] = []
        self.leases_lost = 0
        #: What `heard_all` waits for.
        self.marks: list[str] = []
        #: From where on the lobby is told after each time that the store had lost something.
        self.losses: list[Seq] = []

    def room_entries(self, room: str, entries: Sequence[Entry]) -> None:
        assert room == LOBBY
        self.room += entries

    def mailbox_events(self, events: Sequence[MailboxEvent]) -> None:
        self.mail += events

    def moderation_event(self, event: ModerationEvent) -> None:
        if isinstance(event, AnnounceEvent) and event.text.startswith(_MARK):
            self.marks.append(event.text)
        else:
            self.moderation.append(event)

    def presence_event(self, event: PresenceEvent) -> None:
        self.presence.append(event)

    def store_lost(self, rooms: Mapping[str, Seq]) -> None:
        self.losses.append(rooms[LOBBY])

    def lease_lost(self) -> None:
        self.leases_lost += 1

    def people(self, node: str) -> dict[int, Person]:
        """Who is online on a node, from all that was told."""
        people: dict[int, Person] = {}
        for event in self.presence:
            if event.node == node:
                if event.reset:
                    people.clear()
                people.update((person.user_id, person) for person in event.present)
                for user_id in event.gone:
                    people.pop(user_id, None)
        return people

    def texts(self) -> list[str]:
        return [entry.post.content for entry in self.room]

    def mail_of(self, kind: type[E]) -> list[E]:
        return [event for event in self.mail if isinstance(event, kind)]


class Nodes(Protocol):
    """Makes stores that share their data, each of them a node, and stops them at the end."""

    async def make(self, name: str = "one", **limits: int) -> Store:
        """A store that can be asked, and does not follow the bus.

        ``limits``: ``room_history``, ``mailbox_unread``, ``mailbox_history``.
        """

    async def started(self, name: str = "one", **limits: int) -> tuple[Store, Recorder]:
        """A node that follows the bus."""

    async def crash(self, store: Store) -> None:
        """End a node without a word, as a killed process ends."""

    async def freeze(self, store: Store) -> None:
        """Let a node miss its heartbeats until `thaw`."""

    async def thaw(self, store: Store) -> None: ...

    async def leave_legacy_account(self, account: Account) -> None:
        """Put an account where the original program kept them."""

    async def legacy_text(self, user_id: int) -> object | None:
        """What is left of the original program's account."""

    async def leave_in_future(self, conversation: str | int, post: Post) -> None:
        """Put a message where a clock that was wrong has led, in 2100, as earlier versions did.

        :param conversation: a room's name, or whose mailbox it is.
        """

    async def pass_time(self, seconds: float) -> None:
        """Let all that the store keeps for a time be so much older; who lives has beaten."""


#: Starts a `RedisStore` on Valkey as a node, and gives it and its `Recorder`.
Start = Callable[..., Any]


async def until(what: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something holds; only what hangs takes so long."""
    clock: Any = reactor
    deadline = clock.seconds() + seconds
    while not what():
        assert clock.seconds() < deadline, "it never came"
        await deferLater(clock, 0.005)


#: How the announcements begin that `heard_all` makes, and a number for each of them.
_MARK, _marks = "that is all: ", count()


async def heard_all(store: Store, *told: Recorder) -> None:
    """Wait until nodes were told all that there is for them: the last of it overtakes nothing."""
    mark = f"{_MARK}{next(_marks)}"
    await store.announce(mark)
    await until(lambda: all(mark in one.marks for one in told))


def post(user_id: int, content: str, *, id: str = "", to: int = 0, origin: str = "") -> Post:  # noqa: A002
    return Post(
        user_id=user_id,
        name=f"user {user_id}",
        status=0,
        sex="",
        content=content,
        id=id,
        to=to,
        origin=origin,
    )


def person(user_id: int, name: str = "somebody", status: int = 0) -> Person:
    return Person(user_id=user_id, user_name=name, user_status=status)


async def say(store: Store, user_id: int, *contents: str) -> list[Seq]:
    """Send messages to the lobby."""
    return [(await store.append_to_room(LOBBY, post(user_id, text))).seq for text in contents]


async def people(store: Store, *user_ids: int) -> None:
    """Register some accounts."""
    for user_id in user_ids:
        account = Account(user_id=user_id, name=f"user {user_id}", password="hash")
        assert await store.create_account(account)


async def tell(store: Store, sender: int, to: int, content: str, id: str = "") -> Receipt:  # noqa: A002
    """Send a private message."""
    return await store.append_private(post(sender, content, id=id, to=to, origin=f"of {sender}"))


async def at_once(asked: Iterable[Awaitable[T]]) -> list[T]:
    """All the answers; nothing is waited for before everything is asked."""

    async def answer(one: Awaitable[T]) -> T:
        return await one

    return await gatherResults([Deferred.fromCoroutine(answer(one)) for one in asked])
