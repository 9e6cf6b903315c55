"""A store in memory: passes the same contract as the one on Redis, and can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from chatroom.protocol.messages import Person, Seq
from chatroom.store.events import (
    AddressesEvent,
    AnnounceEvent,
    BusListener,
    EndEvent,
    Ending,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
)
from chatroom.store.records import (
    Account,
    Action,
    ConversationState,
    Entry,
    MailboxState,
    Measure,
    Page,
    Post,
    Receipt,
    Sanction,
    StoreUnavailable,
    Token,
    nameless,
)
from tests.doubles.memory_backend import MemoryBackend, Node, page

T = TypeVar("T")


class Trouble(Enum):
    """How a store fails."""

    NONE = auto()
    #: Everything fails at once, and the bus is silent: the connection is gone.
    REFUSES = auto()
    #: Nothing is answered nor done until `MemoryStore.recover`, and the bus is silent: it froze.
    HANGS = auto()
    #: What is asked is done, and then said to have failed: the connection broke before the reply.
    FORGETS = auto()


class MemoryStore:
    """One node's `chatroom.store.interface.Store` on a shared `MemoryBackend`.

    As with the real one, what is not awaited is not asked, nothing is done or answered in the turn
    in which it is asked, and news come in a turn of their own: with a `Clock`, ``advance(0)``
    brings all that is due.
    """

    def __init__(
        self,
        backend: MemoryBackend,
        *,
        node: str = "node",
        room_history: int = 100_000,
        mailbox_unread: int = 10_000,
        mailbox_history: int = 10_000,
    ) -> None:
        self.backend = backend
        self.trouble = Trouble.NONE
        self._clock = backend.clock
        self._node = node
        self._run = object()
        self._limits = (mailbox_unread, mailbox_history)
        self._room_history = room_history
        self._held: list[Callable[[], None]] = []
        self._listener: BusListener | None = None
        self._places: dict[str, Seq] = {}
        self._presence_read = 0
        self._looking = False
        self._stopped = False
        self._heartbeat = LoopingCall(self._beat)
        self._heartbeat.clock = self._clock  # type: ignore[assignment]  # zope's interface

    # ---- failing

    def fail(self, trouble: Trouble) -> None:
        """From now on fail in this way, until `recover`."""
        self.trouble = trouble

    def recover(self) -> None:
        """Do and answer what hangs, in order, and work again."""
        self.trouble = Trouble.NONE
        held, self._held = self._held, []
        for answer in held:
            self._clock.callLater(0, answer)
        if self._listener is not None:
            self._clock.callLater(0, self._reconnected)

    def crash(self) -> None:
        """The process is gone, and has told nobody."""
        self.trouble = Trouble.REFUSES
        self._stopped = True
        if self._heartbeat.running:
            self._heartbeat.stop()

    def _ask(self, step: Callable[[], T]) -> Deferred[T]:
        deferred: Deferred[T] = Deferred()

        def answer() -> None:
            if self.trouble is Trouble.HANGS:
                self._held.append(answer)
            elif self.trouble is Trouble.REFUSES or self._stopped:
                deferred.errback(StoreUnavailable("stopped" if self._stopped else "unavailable"))
            else:
                result = step()
                if self.trouble is Trouble.FORGETS:
                    deferred.errback(StoreUnavailable("the connection was lost"))
                else:
                    deferred.callback(result)

        self._clock.callLater(0, answer)
        return deferred

    # ---- accounts and tokens

    async def account(self, user_id: int) -> Account | None:
        def step() -> Account | None:
            return self.backend.account(user_id)

        return await self._ask(step)

    async def create_account(self, account: Account) -> bool:
        def step() -> bool:
            backend = self.backend
            if account.user_id in {*backend.accounts, *backend.legacy, *backend.deleted}:
                return False
            self.backend.accounts[account.user_id] = replace(account)
            return True

        return await self._ask(step)

    async def replace_password(
        self, account: Account, password: str, *, void_tokens: bool, except_session: str = ""
    ) -> bool:
        def step() -> bool:
            accounts, legacy = self.backend.accounts, self.backend.legacy
            current = (legacy if account.legacy else accounts).get(account.user_id)
            if current is None or current.password != account.password:
                return False
            generation = current.generation + (void_tokens and not account.legacy)
            accounts[account.user_id] = replace(
                current, password=password, generation=generation, legacy=False
            )
            legacy.pop(account.user_id, None)
            if void_tokens and not account.legacy:
                self.backend.wake(
                    EndEvent(
                        owner=account.user_id, origin=except_session, ending=Ending.PASSWORD_CHANGED
                    )
                )
            return True

        return await self._ask(step)

    async def set_status(self, user_id: int, status: int) -> None:
        def step() -> None:
            self.backend.set_status(user_id, status)
            self._look()

        return await self._ask(step)

    async def end_sessions(
        self, user_id: int, ending: Ending, *, except_session: str = "", text: str = ""
    ) -> None:
        def step() -> None:
            self.backend.wake(
                EndEvent(owner=user_id, origin=except_session, ending=ending, text=text)
            )

        return await self._ask(step)

    async def create_token(
        self, digest: str, token: Token, *, lifetime: int, replaces: str = ""
    ) -> None:
        return await self._ask(lambda: self.backend.put_token(digest, token, lifetime, replaces))

    async def token(self, digest: str) -> Token | None:
        return await self._ask(lambda: self.backend.get_token(digest))

    async def delete_token(self, digest: str) -> None:
        return await self._ask(lambda: self.backend.drop_token(digest))

    # ---- what is to be had only so often

    async def guess_wait(
        self, user_id: int, address: str, *, by_address: int, at_account: int
    ) -> int:
        return await self._ask(
            lambda: self.backend.limits.guess_wait(user_id, address, by_address, at_account)
        )

    async def count_failure(self, user_id: int, address: str, *, window: int) -> None:
        return await self._ask(lambda: self.backend.limits.count_failure(user_id, address, window))

    async def remember_address(
        self, user_id: int, address: str, *, most: int, lifetime: int
    ) -> None:
        return await self._ask(
            lambda: self.backend.limits.remember(user_id, address, most, lifetime)
        )

    async def acquire(self, what: str, *, most: int, window: int) -> int:
        return await self._ask(lambda: self.backend.limits.acquire(what, most, window))

    # ---- what operators do

    async def impose(self, user_id: int, measure: Measure, *, seconds: int, reason: str) -> bool:
        def step() -> bool:
            sanction = self.backend.sanction(seconds, reason)
            return self.backend.impose(user_id, measure, sanction)

        return await self._ask(step)

    async def lift(self, user_id: int, measure: Measure) -> bool:
        return await self._ask(lambda: self.backend.lift(user_id, measure))

    async def sanctioned(self) -> list[int]:
        def step() -> list[int]:
            sanctions = self.backend.sanctions.items()
            return sorted({key[0] for key, one in sanctions if self.backend.in_force(one)})

        return await self._ask(step)

    async def ban_addresses(self, network: str, *, seconds: int, reason: str) -> None:
        def step() -> None:
            self.backend.bans[network] = self.backend.sanction(seconds, reason)
            self.backend.tell_nodes(AddressesEvent())

        return await self._ask(step)

    async def unban_addresses(self, network: str) -> bool:
        def step() -> bool:
            lifted = self.backend.in_force(self.backend.bans.pop(network, None))
            self.backend.tell_nodes(AddressesEvent())
            return lifted is not None

        return await self._ask(step)

    async def banned_addresses(self) -> dict[str, Sanction]:
        def step() -> dict[str, Sanction]:
            bans = {key: self.backend.in_force(ban) for key, ban in self.backend.bans.items()}
            return {key: ban for key, ban in bans.items() if ban is not None}

        return await self._ask(step)

    async def delete_account(self, user_id: int) -> bool:
        return await self._ask(lambda: self.backend.delete(user_id))

    async def announce(self, text: str) -> int:
        def step() -> int:
            return self.backend.tell_nodes(AnnounceEvent(text=text, at=self.backend.now_ms()))

        return await self._ask(step)

    async def user_ids(self, after: int, limit: int) -> list[int]:
        def step() -> list[int]:
            ids = sorted({*self.backend.accounts, *self.backend.legacy})
            return [user_id for user_id in ids if user_id > after][:limit]

        return await self._ask(step)

    async def online(self) -> dict[str, list[Person]]:
        def step() -> dict[str, list[Person]]:
            nodes = self.backend.nodes.items()
            return {name: list(n.users.values()) for name, n in nodes if self.backend.alive(n)}

        return await self._ask(step)

    async def token_lifetimes(self, user_id: int) -> list[int]:
        def step() -> list[int]:
            now, tokens = self._clock.seconds(), self.backend.tokens.values()
            left = [int(ends - now) for token, ends, _ in tokens if token.user_id == user_id]
            return sorted(seconds for seconds in left if seconds >= 0)

        return await self._ask(step)

    async def login_addresses(self, user_id: int) -> dict[str, int]:
        def step() -> dict[str, int]:
            backend = self.backend
            known = backend.limits.known(user_id).items()
            return {address: backend.ms_at(until) for address, until in known}

        return await self._ask(step)

    async def record(self, action: Action) -> None:
        return await self._ask(lambda: self.backend.record(action))

    async def actions(self, limit: int) -> list[Action]:
        return await self._ask(lambda: self.backend.audit[-limit:])

    def _named(self, entries: list[Entry]) -> list[Entry]:
        deleted = self.backend.deleted
        return [nameless(one) if one.post.user_id in deleted else one for one in entries]

    # ---- conversations

    def append_to_room(self, room: str, post: Post) -> Deferred[Receipt]:
        return self._ask(lambda: self.backend.append_room(room, post, self._room_history))

    def append_private(self, post: Post) -> Deferred[Receipt]:
        return self._ask(lambda: self.backend.append_private(post, *self._limits))

    async def room_state(self, room: str) -> ConversationState:
        def step() -> ConversationState:
            found = self.backend.room(room)
            return ConversationState(newest=found.newest, trimmed=found.trimmed)

        return await self._ask(step)

    async def room_after(self, room: str, after: Seq, limit: int) -> list[Entry]:
        return await self._ask(lambda: self._named(self.backend.room(room).after(after, limit)))

    async def room_before(self, room: str, before: Seq | None, limit: int) -> Page:
        def step() -> Page:
            found = page(self.backend.room(room).entries, before, limit)
            return Page(entries=self._named(found.entries), more=found.more)

        return await self._ask(step)

    async def mailbox_state(self, user_id: int) -> MailboxState:
        def step() -> MailboxState:
            box = self.backend.mailbox(user_id)
            return MailboxState(
                newest=box.newest,
                trimmed=box.trimmed,
                received=box.received,
                unread=box.unread(user_id),
                read=dict(box.read),
            )

        return await self._ask(step)

    async def mailbox_after(self, user_id: int, after: Seq, limit: int) -> list[Entry]:
        return await self._ask(
            lambda: self._named(self.backend.mailbox(user_id).after(after, limit))
        )

    async def mailbox_before(self, user_id: int, peer: int, before: Seq | None, limit: int) -> Page:
        def step() -> Page:
            pair = {(user_id, peer), (peer, user_id)}
            entries = self.backend.mailbox(user_id).entries
            ours = [entry for entry in entries if (entry.post.user_id, entry.post.to) in pair]
            return page(self._named(ours), before, limit)

        return await self._ask(step)

    async def mark_received(self, user_id: int, seq: Seq, origin: str) -> None:
        return await self._ask(lambda: self.backend.mark_received(user_id, seq, origin))

    async def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> None:
        return await self._ask(lambda: self.backend.mark_read(user_id, peer, seq, origin))

    # ---- what the nodes count

    async def keep_counters(self, counters: Mapping[str, int]) -> None:
        def step() -> None:
            self.backend.counters[self._node] = {str(name): n for name, n in counters.items()}

        return await self._ask(step)

    async def counters(self) -> dict[str, dict[str, int]]:
        def step() -> dict[str, dict[str, int]]:
            kept = self.backend.counters
            return {name: dict(kept.get(name, {})) for name in self.backend.nodes}

        return await self._ask(step)

    # ---- presence and the bus

    async def update_presence(self, present: Sequence[Person], gone: Sequence[int]) -> None:
        return await self._ask(lambda: self.backend.update(self._node, present, gone, reset=False))

    async def reset_presence(self, present: Sequence[Person]) -> None:
        return await self._ask(lambda: self.backend.update(self._node, present, (), reset=True))

    async def start(self, listener: BusListener, rooms: Sequence[str]) -> dict[str, Seq]:
        def step() -> dict[str, Seq]:
            self.backend.take(self._node, self._run)
            self._presence_read = len(self.backend.presence)
            self._places = {room: self.backend.room(room).newest for room in rooms}
            self._listener = listener
            self._look_around(listener)
            self.backend.followers.append(self._schedule)
            self._heartbeat.start(self.backend.heartbeat, now=False)
            return dict(self._places)

        return await self._ask(step)

    async def flush(self) -> None:
        # Everything is answered in the order in which it was asked.
        await self._ask(lambda: None).addErrback(lambda _: None)

    async def stop(self) -> None:
        with suppress(StoreUnavailable):
            await self._ask(lambda: self.backend.leave(self._node, self._run))
        self.crash()

    def _beat(self) -> None:
        if self._listener is not None and self.trouble in (Trouble.NONE, Trouble.FORGETS):
            if not self.backend.beat(self._node, self._run):
                self._listener.lease_lost()

    def _look_around(self, listener: BusListener) -> None:
        for name, node in self.backend.nodes.items():
            if name != self._node:
                people = list(node.users.values())
                listener.presence_event(
                    PresenceEvent(node=name, present=people, gone=[], reset=True)
                )

    def _reconnected(self) -> None:
        self._beat()
        if self._listener is not None:
            self._look_around(self._listener)
        self._schedule()

    def _schedule(self) -> None:
        if not self._looking:
            self._looking = True
            self._clock.callLater(0, self._look)

    def _look(self) -> None:
        """Hand out what is new."""
        self._looking = False
        silent = self._stopped or self.trouble in (Trouble.REFUSES, Trouble.HANGS)
        if self._listener is None or silent:
            return
        presence = self.backend.presence[self._presence_read :]
        self._presence_read += len(presence)
        for change in presence:
            self._listener.presence_event(change)
        node: Node | None = self.backend.nodes.get(self._node)
        if node is not None and node.events:
            events, node.events = node.events, []
            mail: list[MailboxEvent] = []
            for event in events:
                if isinstance(event, ModerationEvent):
                    self._listener.moderation_event(event)
                else:
                    mail.append(event)
            self._listener.mailbox_events(mail)
        for room, place in self._places.items():
            entries = self.backend.room(room).after(place)
            if entries:
                self._places[room] = entries[-1].seq
                self._listener.room_entries(room, entries)
