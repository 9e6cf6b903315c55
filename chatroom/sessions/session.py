"""One connection's conversation: its state, what comes in, and what goes out.

A door (TCP, WebSocket) gives frames in and takes encoded ones out. What a client can ask for, and
what must hold before each, is the table in `chatroom.sessions.commands`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from msgspec import UNSET
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.clock import Timer
from chatroom.common.counters import Count
from chatroom.conversations.feed import InboxFeed, RoomFeed
from chatroom.delivery.outbox import Outbox
from chatroom.limits.rate import Pace
from chatroom.moderation.enforcement import Mute
from chatroom.node.node import Node
from chatroom.protocol import messages as wire
from chatroom.protocol import refusals
from chatroom.protocol.dialects import Blob, Codec
from chatroom.protocol.messages import Message, Seq
from chatroom.protocol.refusals import Refusal, Refused
from chatroom.sessions import dispatch as gate
from chatroom.sessions import replies as answers
from chatroom.sessions.commands import Command
from chatroom.sessions.states import State
from chatroom.store.records import Account, MailboxState, Outcome, Post, Receipt, StoreUnavailable

#: Seconds that a client has to take what is left for it when the server closes.
CLOSE_TIMEOUT = 3.0
#: Seconds of silence after which a dialect 2 session is asked whether it is there ...
PING_AFTER = 30
#: ... and after which it is dropped.
SILENCE = 75

T = TypeVar("T")

_log = Logger()


class Door(Protocol):
    """What a connection gives its session."""

    outbox: Outbox
    #: Where it comes from, for the log.
    address: str
    #: Logs in who gives neither password nor token, and is never shown to the client; may be empty.
    token: str
    #: Whether the original program's clients may come this way.
    takes_dialect_1: bool

    def speak(self, dialect: int) -> Codec:
        """How to encode for a client of that dialect; 0: it has not logged in yet.

        From a login on the client's frames may be larger.
        """

    def pause(self) -> None:
        """Read no more frames until `resume`."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """Close, once what the outbox holds was sent."""

    def abort(self) -> None:
        """Close now."""


class Session:
    """What is known of one client. The door calls `frame_received` and `lost`."""

    __slots__ = (
        "__weakref__",
        "_aborting",
        "_asking",
        "_early",
        "_guest_since",
        "_holds",
        "_waiting_for_drain",
        "account",
        "codec",
        "dialect",
        "door",
        "feeds",
        "heard_at",
        "inbox",
        "mute",
        "node",
        "pace",
        "pinged",
        "state",
        "tag",
        "token",
        "user_id",
    )

    def __init__(self, node: Node, door: Door) -> None:
        self.node = node
        self.door = door
        self.dialect = 0
        self.codec = door.speak(0)
        self.state = State.GUEST
        self.tag = node.new_tag()
        self.user_id = 0
        self.account: Account | None = None
        self.token = ""
        self.inbox: InboxFeed | None = None
        self.feeds: dict[str, RoomFeed] = {}
        self.heard_at = node.clock.seconds()
        self.pinged = False
        self.pace = Pace()
        self._aborting: Timer | None = None
        #: What came before the login was answered, and is to follow the answer.
        self._early: list[Message] = []
        self._holds = 0
        #: A login or registration that may have to wait in line.
        self._asking: Deferred[Any] | None = None
        #: When it connected, or was last answered: the time to log in runs from then.
        self._guest_since = self.heard_at
        self.mute = Mute(node.clock)
        self._waiting_for_drain: list[Deferred[None]] = []
        self._watch_outbox()
        node.opened(self)

    # ---- what the door calls

    def frame_received(self, payload: bytes) -> None:
        """One frame's payload came. Never raises: bad input costs nobody but its sender."""
        if self.state is not State.CLOSED:
            gate.take(self, payload)

    def ping_received(self, payload: bytes) -> bool:
        """A ping or pong came that is the door's own affair; False: it is not to be answered."""
        return self.state is not State.CLOSED and gate.take_ping(self, len(payload))

    def frame_too_long(self, length: int, limit: int) -> None:
        """A frame was announced that is longer than may be; what follows can't be framed."""
        gate.too_long(self, length, limit)

    def heard(self) -> None:
        """Something came from the client, whatever it was."""
        self.heard_at = self.node.clock.seconds()
        self.pinged = False

    def lost(self) -> None:
        """The connection is gone."""
        self._end()
        self.node.lost(self)
        if self._aborting is not None and self._aborting.active():
            self._aborting.cancel()

    # ---- sending

    @property
    def outbox(self) -> Outbox:
        """The way out."""
        return self.door.outbox

    @property
    def closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def is_member(self) -> bool:
        """Whether it is logged in, and was told so."""
        return self.state is State.MEMBER

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.door.address

    def check_silence(self, now: float) -> None:
        """Ask who said nothing for a while whether it is there; drop who does not answer.

        Dropped is also who had time enough to log in, and has not.
        """
        if self._holds:
            # Nothing is read from it now; so its silence is ours, and so is the time it waits.
            self.heard_at = self._guest_since = now
        limit = self.node.login_timeout
        if limit and self.state is State.GUEST and now - self._guest_since >= limit:
            self.refuse(refusals.LOGIN_TIMEOUT)
            self.close()
            return
        silent = now - self.heard_at
        if silent >= SILENCE and self.dialect != 1:
            self.dismiss(refusals.SILENT)
        elif silent >= PING_AFTER and self.dialect == 2 and self.is_member and not self.pinged:
            self.pinged = True
            self.send(wire.PingMes())

    def put_private(self, blob: Blob, seq: Seq) -> None:
        """Send private messages up to ``seq``.

        An original client can't say what it received; its TCP can.
        """
        inbox = self.inbox
        if self.dialect == 1 and inbox is not None:
            self.door.outbox.put_marked(blob, lambda: inbox.confirm(seq))
        else:
            self.put(blob)

    def put(self, blob: Blob) -> None:
        """Send what is encoded already."""
        self.door.outbox.put(blob)

    def send(self, *messages: Message) -> None:
        """Encode and send, unless the session has ended meanwhile."""
        if not self.closed:
            self.put(self.codec.encode(messages))

    def push(self, message: Message) -> None:
        """Send what nobody asked for, but not before the login was answered."""
        if self.state is State.ENTERING:
            self._early.append(message)
        elif self.state is State.MEMBER:
            self.send(message)

    def when_drained(self) -> Deferred[None]:
        """Fires when nothing waits to leave; never once the session is closed."""
        deferred: Deferred[None] = Deferred()
        if self.closed or self.door.outbox.queued:
            self._waiting_for_drain.append(deferred)
        else:
            deferred.callback(None)
        return deferred

    def words(self, refusal: Refusal) -> str:
        """The refusal's text for this client: who has not logged in may be of either dialect."""
        if self.dialect == 2:
            return refusal.en
        return refusal.zh if self.dialect == 1 else f"{refusal.zh} ({refusal.en})"

    def refuse(self, refusal: Refusal, message_id: str = "", **more: Any) -> None:
        """Tell the client that something was not done."""
        self.send(
            wire.ErrorMes(
                code=refusal.code,
                error=self.words(refusal),
                id=message_id or UNSET,
                retry_after=refusal.retry_after or UNSET,
                until=UNSET if refusal.until is None else refusal.until,
                reason=refusal.reason or UNSET,
                note=refusal.note or UNSET,
                **more,
            )
        )

    def token_replaced(self, token: str) -> None:
        """The token that the door has brought is void soon: this one stands for it."""
        self.token = self.door.token = token

    # ---- ending

    def close(self) -> None:
        """Say nothing more, and close once the client has taken what is left for it."""
        if self._end():
            self._aborting = self.node.clock.callLater(CLOSE_TIMEOUT, self.door.abort)
            self.door.close()

    def dismiss(self, refusal: Refusal, *, come_back: bool = True) -> None:
        """End the session from the server's side.

        :param come_back: whether the client may come back by itself, as it was. If not, an original
            client is told why as well: it has nothing else to tell its person from.
        """
        if not self.closed:
            if self.dialect == 2 or not come_back:
                self.refuse(refusal, reconnect=come_back)
            self.close()

    def fell_behind(self) -> None:
        """What it was to get next is no longer held: it comes back, and is told of the gap.

        An original client does not come back by itself, and knows of no gap: it goes on.
        """
        if self.dialect == 2:
            self.dismiss(refusals.FELL_BEHIND)

    def _end(self) -> bool:
        """Leave the node; False: that was done before."""
        if self.closed:
            return False
        self.state = State.CLOSED
        for feed in self.feeds.values():
            feed.stop()
        self.node.left(self)
        self._waiting_for_drain.clear()
        if self._asking is not None:
            self._asking.cancel()
        return True

    def _overflowed(self) -> None:
        """The client reads too slowly: it is cut off, and comes back to where it was."""
        if self.closed:
            return
        self.count(Count.SLOW_READERS)
        _log.info("Session {tag} of user {id} reads too slowly", tag=self.tag, id=self.user_id)
        if self.dialect == 2:
            answer = wire.ErrorMes(
                code=refusals.SLOW_READER.code,
                error=self.words(refusals.SLOW_READER),
                reconnect=True,
            )
            self.door.outbox.cut_short(self.codec.encode([answer]))
            self.close()
        else:
            self._end()
            self.door.abort()

    def _watch_outbox(self) -> None:
        self.door.outbox.on_drained = self._drained
        self.door.outbox.on_behind = self._queue_grows
        self.door.outbox.on_full = self._overflowed

    def _queue_grows(self) -> None:
        self.node.intake.fell_behind(self)

    def _drained(self) -> None:
        self.node.intake.caught_up(self)
        waiting, self._waiting_for_drain = self._waiting_for_drain, []
        for deferred in waiting:
            deferred.callback(None)

    # ---- running commands

    def run(self, command: Command, message: Message) -> None:
        """Do what a message asks for. Never raises."""
        try:
            running = command.run(self, message)
        except Exception:  # noqa: BLE001 - a fault of ours must not cost anybody the connection
            self._failed(Failure(), message)
            return
        if running is None:
            return
        if command.waits:
            self.hold()
        deferred = Deferred.fromCoroutine(running)
        deferred.addErrback(self._failed, message)
        if command.waits:
            deferred.addBoth(lambda _: self.release())

    def asking(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Await that; where the session ends before, who waits in line leaves it."""
        asking = self._asking = Deferred.fromCoroutine(work)
        return asking.addBoth(self._asked)

    def _asked(self, result: T) -> T:
        self._asking = None
        return result

    def _failed(self, failure: Failure, message: Message) -> None:
        if self.closed and failure.check(CancelledError) is not None:
            # It left the line.
            return
        if isinstance(failure.value, Refused):
            self.refuse_message(message, failure.value.refusal)
        elif failure.check(StoreUnavailable) is not None:
            self.refuse_message(message, refusals.STORE_DOWN)
        else:
            _log.failure("{type} failed", failure, type=type(message).__name__)
            self.refuse_message(message, refusals.STORE_DOWN)

    def hold(self) -> None:
        """Frames that follow wait until `release`."""
        self._holds += 1
        if self._holds == 1 and not self.closed:
            self.door.pause()

    def release(self) -> None:
        self._holds -= 1
        self._guest_since = self.node.clock.seconds()
        if self._holds == 0 and not self.closed:
            self.door.resume()

    # ---- refusing

    def refuse_message(self, message: Message, refusal: Refusal) -> None:
        """The answer that this kind of message gets when it is refused."""
        self.answer_refusal(type(message).__name__, gate.id_of(message), refusal)

    def answer_refusal(self, type_name: str | None, message_id: str, refusal: Refusal) -> None:
        """As `refuse_message`, for what is no message or not known as one."""
        answer = answers.refusal_of(type_name, self, refusal, message_id)
        if answer is not None:
            self.send(answer)
        else:
            # So that a dialect 2 client can tell it from the answer to what else it asked.
            known = self.dialect == 2 and type_name in wire.MESSAGES
            self.refuse(refusal, message_id, about=type_name if known else UNSET)

    def count(self, what: Count) -> None:
        """One more of these, for the operator."""
        self.node.counters[what] += 1

    # ---- messages to people

    def post_from(self, message: wire.Text, to: int = 0) -> Post:
        """Who speaks is who logged in, whatever the client wrote."""
        account = self.account
        assert account is not None, "only members send"
        return Post(
            user_id=account.user_id,
            name=account.name,
            status=self.node.status_of(account),
            sex=account.sex,
            content=message.content,
            id=message.id or "",
            to=to,
            origin=self.tag,
        )

    def stored(self, storing: Deferred[Receipt], message: wire.Text, room: str = "") -> None:
        """Answer for a message once the store has; its acknowledgement comes with the stream."""
        self.node.intake.took(self)
        storing.addBoth(self._settled, message, room)

    def _settled(self, result: Receipt | Failure, message: wire.Text, room: str) -> None:
        # Nothing is raised to the Deferred: an errback for each message would cost as much again.
        try:
            if not self.closed:
                self._answer(result, message, room)
            # Last: what waits to be read is read at once, and may fill its share again.
            self.node.intake.answered(self)
        except Exception:  # noqa: BLE001 - a fault of ours must not cost anybody the connection
            _log.failure("An answer failed")

    def _answer(self, result: Receipt | Failure, message: wire.Text, room: str) -> None:
        if isinstance(result, Failure):
            self._failed(result, message)
        elif result.outcome is Outcome.DUPLICATE:
            # For a private message the bus brings it, in its place among the others.
            if room in self.feeds and message.id:
                self.feeds[room].acknowledge(result.seq, message.id, result.code, result.sent_at)
        elif result.outcome in answers.NOT_STORED:
            self.refuse_message(message, answers.NOT_STORED[result.outcome])

    # ---- entering

    def enter(self, account: Account, token: str, login: wire.LoginMes) -> Deferred[None]:
        """Become a member: be online, be told where things stand, and then get what comes."""
        return Deferred.fromCoroutine(self._enter(account, token, login))

    async def _enter(self, account: Account, token: str, login: wire.LoginMes) -> None:
        self.state = State.ENTERING
        self.account, self.user_id, self.token = account, account.user_id, token
        self.inbox = InboxFeed(self, self.node.store, self.node.clock)
        try:
            places = await self.node.enter(self, login.resume)
            await self.node.check_standing(self, login)
        except Exception:
            if not self.closed:
                self.node.went(self)
                self.state = State.GUEST
                self.inbox = None
                self._early.clear()
            raise
        if self.closed:
            return
        self.state = State.MEMBER
        self.pace.logged_in()
        self.codec = self.door.speak(self.dialect)
        self._watch_outbox()
        early, self._early = self._early, []
        self.send(*answers.login_answers(self, places), *early)
        self._follow(login, places.mailbox, places.rooms)
        if not self.closed:
            self.node.entered(self)

    def _follow(self, login: wire.LoginMes, mailbox: MailboxState, rooms: dict[str, Seq]) -> None:
        """Start the feeds, each from its place."""
        assert self.inbox is not None, "made when entering"
        resume = login.resume or wire.Resume()
        for name, cursor in rooms.items():
            if self.closed:
                # It did not even take the answer.
                return
            feed = RoomFeed(self, self.node.store, self.node.clock, self.node.rooms[name], cursor)
            self.feeds[name] = feed
            feed.start()
        if resume.inbox:
            cursor = max(min(Seq.parse(resume.inbox), mailbox.newest), mailbox.trimmed)
            self.inbox.start(cursor, mailbox.newest, own_after=wire.SEQ_ZERO)
            if cursor > mailbox.received:
                # It has what it comes back with, though its word for that may have been lost.
                self.inbox.confirm(cursor)
        else:
            self.inbox.start(mailbox.received, mailbox.newest, own_after=mailbox.newest)
