"""What all nodes of an in-memory store share, and the steps on it: the double of Redis itself."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from chatroom.common.clock import Clock
from chatroom.protocol.messages import SEQ_ZERO, Person, Seq
from chatroom.store.events import (
    AccountStatusEvent,
    DeletedEvent,
    DuplicateEvent,
    MailboxEvent,
    ModerationEvent,
    PresenceEvent,
    PrivateEvent,
    ReadEvent,
    ReceivedEvent,
)
from chatroom.store.records import (
    MOST_ACTIONS,
    MOST_TOKENS,
    REMEMBERED_IDS,
    Account,
    Action,
    Entry,
    Measure,
    Outcome,
    Page,
    Post,
    Receipt,
    Sanction,
    Token,
)
from chatroom.store.redis.accounts import TOKEN_GRACE
from chatroom.store.redis.bus import HEARTBEAT, NODE_LIFETIME
from tests.doubles.memory_limits import MemoryLimits

#: Added to the clock, so that no place is ever `SEQ_ZERO`.
_EPOCH_MS = 1_700_000_000_000


def _place(entry: Entry) -> Seq:
    return entry.seq


def page(entries: list[Entry], before: Seq | None, limit: int) -> Page:
    """The last ``limit`` entries before a place."""
    end = len(entries) if before is None else bisect_left(entries, before, key=_place)
    return Page(entries=entries[max(end - limit, 0) : end], more=end > limit)


@dataclass
class Conversation:
    """A room, or the messages of a mailbox."""

    entries: list[Entry] = field(default_factory=list)
    trimmed: Seq = SEQ_ZERO
    #: By sender: id -> (content that it stands for, what was answered).
    known: dict[int, OrderedDict[str, tuple[object, Receipt]]] = field(default_factory=dict)

    @property
    def newest(self) -> Seq:
        return self.entries[-1].seq if self.entries else SEQ_ZERO

    def after(self, after: Seq, limit: int | None = None) -> list[Entry]:
        first = bisect_right(self.entries, after, key=_place)
        return self.entries[first:][:limit]

    def recall(self, post: Post) -> Receipt | None:
        known = self.known.get(post.user_id, OrderedDict()).get(post.id) if post.id else None
        if known is None:
            return None
        content, receipt = known
        if content != (post.to, post.content):
            return Receipt(outcome=Outcome.CONFLICT)
        return replace(receipt, outcome=Outcome.DUPLICATE)

    def remember(self, post: Post, receipt: Receipt) -> None:
        if post.id:
            known = self.known.setdefault(post.user_id, OrderedDict())
            known[post.id] = ((post.to, post.content), receipt)
            if len(known) > REMEMBERED_IDS:
                known.popitem(last=False)

    def trim(self, excess: int) -> None:
        if excess >= 100 and len(self.entries) > excess:
            self.trimmed = self.entries[excess - 1].seq
            del self.entries[:excess]


@dataclass
class Mailbox(Conversation):
    received: Seq = SEQ_ZERO
    read: dict[int, Seq] = field(default_factory=dict)

    def after_mark(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.seq > self.received]

    def unread(self, owner: int) -> int:
        return sum(entry.post.user_id != owner for entry in self.after_mark())

    def tidy(self, owner: int, keep: int) -> None:
        if not self.unread(owner):
            self.received = self.newest
        self.trim(len(self.entries) - len(self.after_mark()) - keep)


@dataclass
class Node:
    """What the store knows of a node."""

    run: object
    alive_until: float
    users: dict[int, Person] = field(default_factory=dict)
    events: list[MailboxEvent | ModerationEvent] = field(default_factory=list)


class MemoryBackend:
    """The data that several `MemoryStore` share, each of them a node.

    :param clock: a reactor, or a `twisted.internet.task.Clock`.
    """

    def __init__(
        self, clock: Any, *, lifetime: float = NODE_LIFETIME, heartbeat: float = HEARTBEAT
    ) -> None:
        self.clock: Clock = clock  # zope hides from mypy that they are
        self.lifetime = lifetime
        self.heartbeat = heartbeat
        self.accounts: dict[int, Account] = {}
        self.legacy: dict[int, Account] = {}
        self.tokens: dict[str, tuple[Token, float, str]] = {}
        self.limits = MemoryLimits(self.clock)
        #: By account or network: until when, in milliseconds as the store's clock has it, and why.
        self.sanctions: dict[tuple[int, Measure], Sanction] = {}
        self.bans: dict[str, Sanction] = {}
        self.deleted: set[int] = set()
        self.audit: list[Action] = []
        self.rooms: dict[str, Conversation] = {}
        self.mailboxes: dict[int, Mailbox] = {}
        self.nodes: dict[str, Node] = {}
        self.counters: dict[str, dict[str, int]] = {}
        self.presence: list[PresenceEvent] = []
        self.followers: list[Callable[[], None]] = []
        self._last = Seq(_EPOCH_MS, 0)

    def room(self, name: str) -> Conversation:
        return self.rooms.setdefault(name, Conversation())

    def mailbox(self, user_id: int) -> Mailbox:
        return self.mailboxes.setdefault(user_id, Mailbox())

    def next_seq(self) -> Seq:
        now = Seq(_EPOCH_MS + int(self.clock.seconds() * 1000), 0)
        self._last = now if now > self._last else Seq(self._last.ms, self._last.n + 1)
        return self._last

    def leave_in_future(self, conversation: str | int, entry: Entry) -> None:
        """What comes from now on has its place behind that."""
        if isinstance(conversation, str):
            self.room(conversation).entries.append(entry)
        else:
            self.mailbox(conversation).entries.append(entry)
        self._last = entry.seq

    def changed(self) -> None:
        """Let every node look for news, in a turn of its own."""
        for look in self.followers:
            look()

    # ---- what operators do

    def now_ms(self) -> int:
        return self.ms_at(self.clock.seconds())

    def ms_at(self, seconds: float) -> int:
        """That time of the clock, since 1970."""
        return _EPOCH_MS + int(seconds * 1000)

    def sanction(self, seconds: int, reason: str) -> Sanction:
        return Sanction(until=self.now_ms() + seconds * 1000 if seconds else 0, reason=reason)

    def in_force(self, sanction: Sanction | None) -> Sanction | None:
        """As it is to be read now; None if it is over, or is none."""
        if sanction is None or not sanction.until:
            return sanction
        left = (sanction.until - self.now_ms()) / 1000
        return replace(sanction, left=left) if left > 0 else None

    def account(self, user_id: int) -> Account | None:
        found = self.accounts.get(user_id) or self.legacy.get(user_id)
        if found is None:
            return None
        return replace(
            found,
            banned=self.in_force(self.sanctions.get((user_id, Measure.BAN))),
            muted=self.in_force(self.sanctions.get((user_id, Measure.MUTE))),
        )

    def impose(self, user_id: int, measure: Measure, sanction: Sanction) -> bool:
        if user_id not in self.accounts:
            return False
        self.sanctions[user_id, measure] = sanction
        self.wake(AccountStatusEvent(owner=user_id))
        return True

    def lift(self, user_id: int, measure: Measure) -> bool:
        lifted = self.in_force(self.sanctions.pop((user_id, measure), None))
        self.wake(AccountStatusEvent(owner=user_id))
        return lifted is not None

    def delete(self, user_id: int) -> bool:
        if user_id not in {*self.accounts, *self.legacy}:
            return False
        self.deleted.add(user_id)
        for accounts in (self.accounts, self.legacy, self.mailboxes):
            accounts.pop(user_id, None)
        for measure in Measure:
            self.sanctions.pop((user_id, measure), None)
        for digest in [
            key for key, (token, _, _) in self.tokens.items() if token.user_id == user_id
        ]:
            del self.tokens[digest]
        for room in self.rooms.values():
            room.known.pop(user_id, None)
        self.limits.forget(user_id)
        self.wake(AccountStatusEvent(owner=user_id))
        self.tell_nodes(DeletedEvent(user_id=user_id))
        return True

    def record(self, action: Action) -> None:
        self.audit.append(replace(action, at=self.now_ms()))
        del self.audit[:-MOST_ACTIONS]

    def tell_nodes(self, event: ModerationEvent) -> int:
        living = [node for node in self.nodes.values() if self.alive(node)]
        for node in living:
            node.events.append(event)
        self.changed()
        return len(living)

    # ---- tokens

    def put_token(self, digest: str, token: Token, lifetime: float, replaces: str) -> None:
        now = self.clock.seconds()
        self.tokens[digest] = (token, now + lifetime, replaces)
        if replaces in self.tokens:
            old, expires, before = self.tokens[replaces]
            self.tokens[replaces] = (old, min(expires, now + TOKEN_GRACE), before)
        held = [key for key, (one, _, _) in self.tokens.items() if one.user_id == token.user_id]
        for key in sorted(held, key=lambda key: self.tokens[key][1])[:-MOST_TOKENS]:
            del self.tokens[key]

    def get_token(self, digest: str) -> Token | None:
        token, expires, _ = self.tokens.get(digest, (None, 0.0, ""))
        return token if expires > self.clock.seconds() else None

    def drop_token(self, digest: str) -> None:
        _, _, replaced = self.tokens.pop(digest, (None, 0.0, ""))
        self.tokens.pop(replaced, None)

    # ---- messages

    def append_room(self, name: str, post: Post, keep: int) -> Receipt:
        room = self.room(name)
        receipt = room.recall(post)
        if receipt is None:
            receipt = Receipt(outcome=Outcome.STORED, seq=self.next_seq(), sent_at=self.now_ms())
            room.entries.append(Entry(seq=receipt.seq, sent_at=receipt.sent_at, post=post))
            room.remember(post, receipt)
        room.trim(len(room.entries) - keep)
        self.changed()
        return receipt

    def append_private(self, post: Post, most_unread: int, keep: int) -> Receipt:
        mine, theirs = self.mailbox(post.user_id), self.mailbox(post.to)
        receipt = mine.recall(post)
        if receipt is not None:
            if receipt.outcome is Outcome.DUPLICATE:
                self.wake(
                    DuplicateEvent(
                        owner=post.user_id,
                        origin=post.origin,
                        id=post.id,
                        seq=receipt.seq,
                        code=receipt.code,
                        sent_at=receipt.sent_at,
                    )
                )
            return receipt
        gone = post.user_id in self.deleted
        if gone or (post.to not in self.accounts and post.to not in self.legacy):
            return Receipt(outcome=Outcome.NO_RECIPIENT)
        if len(mine.after_mark()) >= 2 * most_unread:
            return Receipt(outcome=Outcome.SENDER_FULL)
        code, now = 200, self.now_ms()
        if post.to != post.user_id:
            if theirs.unread(post.to) >= most_unread:
                return Receipt(outcome=Outcome.MAILBOX_FULL)
            entry = Entry(seq=self.next_seq(), sent_at=now, post=post)
            theirs.entries.append(entry)
            if not self.wake(PrivateEvent(owner=post.to, entry=entry)):
                code = 202
            theirs.tidy(post.to, keep)
        entry = Entry(seq=self.next_seq(), sent_at=now, post=post, code=code)
        mine.entries.append(entry)
        receipt = Receipt(outcome=Outcome.STORED, seq=entry.seq, code=code, sent_at=now)
        mine.remember(post, receipt)
        self.wake(PrivateEvent(owner=post.user_id, entry=entry))
        mine.tidy(post.user_id, keep)
        return receipt

    def mark_received(self, user_id: int, seq: Seq, origin: str) -> None:
        box = self.mailbox(user_id)
        seq = min(seq, box.newest)
        if seq <= box.received:
            return
        before = box.unread(user_id)
        box.received = seq
        if box.unread(user_id) < before:
            self.wake(ReceivedEvent(owner=user_id, origin=origin, seq=seq))
        if not box.unread(user_id):
            box.received = box.newest

    def mark_read(self, user_id: int, peer: int, seq: Seq, origin: str) -> None:
        if peer not in self.accounts and peer not in self.legacy:
            return
        box = self.mailbox(user_id)
        seq = min(seq, box.newest)
        if seq > box.read.get(peer, SEQ_ZERO):
            box.read[peer] = seq
            self.wake(ReadEvent(owner=user_id, origin=origin, peer=peer, seq=seq))

    # ---- nodes

    def alive(self, node: Node) -> bool:
        return node.alive_until > self.clock.seconds()

    def wake(self, event: MailboxEvent) -> bool:
        """Tell the living nodes that hold the event's owner; False: there is none."""
        holding = [
            node for node in self.nodes.values() if event.owner in node.users and self.alive(node)
        ]
        for node in holding:
            node.events.append(event)
        self.changed()
        return bool(holding)

    def tell(self, event: PresenceEvent) -> None:
        self.presence.append(event)
        self.changed()

    def clear(self, name: str) -> None:
        self.tell(PresenceEvent(node=name, present=[], gone=[], reset=True))

    def take(self, name: str, run: object) -> Node:
        node = self.nodes[name] = Node(run, self.clock.seconds() + self.lifetime)
        self.counters.pop(name, None)
        self.clear(name)
        return node

    def leave(self, name: str, run: object) -> None:
        if name in self.nodes and self.nodes[name].run is run:
            del self.nodes[name]
            self.clear(name)

    def beat(self, name: str, run: object) -> bool:
        """False: the node had been taken for dead, or another run has its name."""
        node = self.nodes.get(name)
        fine = node is not None and self.alive(node) and node.run is run
        if node is None:
            node = self.nodes[name] = Node(run, 0)
        node.run, node.alive_until = run, self.clock.seconds() + self.lifetime
        for other in [key for key, value in self.nodes.items() if not self.alive(value)]:
            del self.nodes[other]
            self.clear(other)
        return fine

    def update(
        self, name: str, present: Sequence[Person], gone: Sequence[int], *, reset: bool
    ) -> None:
        node = self.nodes.setdefault(name, Node(None, 0))
        if reset:
            node.users.clear()
        node.users.update((person.user_id, person) for person in present)
        for user_id in gone:
            node.users.pop(user_id, None)
        self.tell(PresenceEvent(node=name, present=list(present), gone=list(gone), reset=reset))

    def set_status(self, user_id: int, status: int) -> None:
        if user_id in self.accounts:
            self.accounts[user_id] = replace(self.accounts[user_id], status=status)
        for name, node in self.nodes.items():
            if user_id in node.users:
                person = replace(node.users[user_id], user_status=status)
                node.users[user_id] = person
                self.tell(PresenceEvent(node=name, present=[person], gone=[]))
