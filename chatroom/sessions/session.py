"""The state of one client's connection, and what is sent to the client.

A transport (TCP, WebSocket) hands frames to `chatroom.sessions.dispatch`, and takes encoded ones
from here. What a client can ask for is the table in `chatroom.sessions.commands`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from enum import Enum
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.common.clock import Timer
from chatroom.common.counters import Count
from chatroom.conversations.inbox_feed import InboxFeed
from chatroom.conversations.room import RoomFeed
from chatroom.delivery.outbox import Outbox
from chatroom.limits.rate import RateLimiter
from chatroom.moderation.sanctions import Mute
from chatroom.node.node import Node
from chatroom.protocol import messages as wire, refusals
from chatroom.protocol.dialects import Blob, Codec
from chatroom.protocol.messages import Message, Seq
from chatroom.protocol.refusals import Refusal, Refused
from chatroom.sessions import replies
from chatroom.store.records import Account, StoreUnavailable

#: Seconds that a client has to take what is left for it when the server closes.
CLOSE_TIMEOUT = 3.0
#: Seconds of silence after which a dialect 2 session is asked whether it is there ...
PING_AFTER = 30
#: ... and after which it is dropped.
SILENCE = 75

T = TypeVar("T")

_log = Logger()


class Connection(Protocol):
    """What a transport gives each session: a client's connection."""

    outbox: Outbox
    #: The client's address, for limits, bans and the log.
    address: str
    #: Logs in a client that gives neither password nor token, and is never shown to it; may be
    #: empty.
    token: str
    #: Whether the original program's clients may come this way.
    takes_dialect_1: bool

    def speak(self, dialect: int) -> Codec:
        """How to encode for a client of that dialect; 0: it has not logged in yet.

        From a login on, the client's frames may be larger.
        """

    def pause(self) -> None:
        """Read no more frames until `resume`."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """Close, once what the outbox holds was sent."""

    def abort(self) -> None:
        """Close now."""


class State(Enum):
    """GUEST -> ENTERING -> MEMBER, back to GUEST if entering fails, to CLOSED from everywhere."""

    GUEST = "connected, not logged in"
    ENTERING = "identified, its login not answered yet"
    MEMBER = "logged in"
    CLOSED = "ended: nothing is read from it any more"


class Session:
    """One client, logged in or not. The transport calls `heard` and `lost`."""

    __slots__ = (
        "__weakref__",
        "_aborting",
        "_cancelled_at_end",
        "_early",
        "_guest_since",
        "_holds",
        "_waiting_for_drain",
        "account",
        "codec",
        "connection",
        "dialect",
        "feeds",
        "heard_at",
        "inbox",
        "mute",
        "node",
        "pinged",
        "rate_limiter",
        "state",
        "tag",
        "token",
        "user_id",
    )

    def __init__(self, node: Node, connection: Connection) -> None:
        self.node = node
        self.connection = connection
        self.dialect = 0
        self.codec = connection.speak(0)
        self.state = State.GUEST
        self.tag = node.sessions.new_tag()
        self.user_id = 0
        self.account: Account | None = None
        self.token = ""
        self.inbox: InboxFeed | None = None
        self.feeds: dict[str, RoomFeed] = {}
        self.heard_at = node.clock.seconds()
        self.pinged = False
        self.rate_limiter = RateLimiter()
        self._aborting: Timer | None = None
        #: What came before the login was answered, and is to follow the answer.
        self._early: list[Message] = []
        self._holds = 0
        #: A login or registration that may be waiting in the login queue.
        self._cancelled_at_end: Deferred[Any] | None = None
        #: When it connected, or was last answered: the time to log in runs from then.
        self._guest_since = self.heard_at
        self.mute = Mute(node.clock)
        self._waiting_for_drain: list[Deferred[None]] = []
        self._watch_outbox()
        node.opened(self)

    # ---- what the transport calls

    def heard(self) -> None:
        """Something came from the client, whatever it was."""
        self.heard_at = self.node.clock.seconds()
        self.pinged = False

    def lost(self) -> None:
        """The connection is gone."""
        self._end()
        self.node.sessions.disconnected(self)
        if self._aborting is not None and self._aborting.active():
            self._aborting.cancel()

    # ---- sending

    @property
    def outbox(self) -> Outbox:
        """The way out."""
        return self.connection.outbox

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
        return self.connection.address

    def check_silence(self, now: float) -> None:
        """Ping an idle client; drop it if it stays silent, or has not logged in in time."""
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
            self.outbox.put_marked(blob, lambda: inbox.confirm(seq))
        else:
            self.outbox.put(blob)

    def send(self, *messages: Message) -> None:
        """Encode and send, unless the session has ended meanwhile."""
        if not self.closed:
            self.outbox.put(self.codec.encode(messages))

    def push(self, message: Message) -> None:
        """Send what nobody asked for, but not before the login was answered."""
        if self.state is State.ENTERING:
            self._early.append(message)
        elif self.state is State.MEMBER:
            self.send(message)

    def when_drained(self) -> Deferred[None]:
        """Fires when nothing waits to leave; never once the session is closed."""
        deferred: Deferred[None] = Deferred()
        if self.closed or self.outbox.queued:
            self._waiting_for_drain.append(deferred)
        else:
            deferred.callback(None)
        return deferred

    def refuse(self, refusal: Refusal, **more: Any) -> None:
        """Tell the client that something was not done."""
        self.send(replies.error(refusal, self.dialect, **more))

    def token_replaced(self, token: str) -> None:
        """Use this token from now on: the one that the connection has brought becomes void."""
        self.token = self.connection.token = token

    # ---- ending

    def close(self) -> None:
        """Say nothing more, and close once the client has taken what is left for it."""
        if self._end():
            self._aborting = self.node.clock.callLater(CLOSE_TIMEOUT, self.connection.abort)
            self.connection.close()

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
        self.node.ended(self)
        self._waiting_for_drain.clear()
        if self._cancelled_at_end is not None:
            self._cancelled_at_end.cancel()
        return True

    def _overflowed(self) -> None:
        """The client reads too slowly: it is cut off, and comes back to where it was."""
        if self.closed:
            return
        self.count(Count.SLOW_READERS)
        _log.info("Session {tag} of user {id} reads too slowly", tag=self.tag, id=self.user_id)
        if self.dialect == 2:
            answer = replies.error(refusals.SLOW_READER, self.dialect, reconnect=True)
            self.outbox.cut_short(self.codec.encode([answer]))
            self.close()
        else:
            self._end()
            self.connection.abort()

    def _watch_outbox(self) -> None:
        self.outbox.on_drained = self._drained
        self.outbox.on_behind = self._queue_grows
        self.outbox.on_full = self._overflowed

    def _queue_grows(self) -> None:
        self.node.backpressure.fell_behind(self)

    def _drained(self) -> None:
        self.node.backpressure.caught_up(self)
        waiting, self._waiting_for_drain = self._waiting_for_drain, []
        for deferred in waiting:
            deferred.callback(None)

    # ---- while a command runs

    async def cancelled_at_end(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """Await that; if the session ends before, it is cancelled, and leaves the login queue."""
        running: Deferred[T] = Deferred.fromCoroutine(work)
        self._cancelled_at_end = running
        try:
            return await running
        finally:
            self._cancelled_at_end = None

    def failed(self, failure: Failure, message: Message) -> None:
        """Answer a message whose command raised."""
        if self.closed and failure.check(CancelledError) is not None:
            return
        error = failure.value
        if not isinstance(error, Refused | StoreUnavailable):
            _log.failure("{type} failed", failure, type=type(message).__name__)
        refusal = error.refusal if isinstance(error, Refused) else refusals.STORE_DOWN
        self.refuse_message(message, refusal)

    def hold(self) -> None:
        """Frames that follow wait until `release`."""
        self._holds += 1
        if self._holds == 1 and not self.closed:
            self.connection.pause()

    def release(self) -> None:
        self._holds -= 1
        self._guest_since = self.node.clock.seconds()
        if self._holds == 0 and not self.closed:
            self.connection.resume()

    # ---- refusing

    def refuse_message(self, message: Message, refusal: Refusal) -> None:
        """The answer that this kind of message gets when it is refused."""
        self.answer_refusal(type(message).__name__, replies.id_of(message), refusal)

    def answer_refusal(self, type_name: str | None, message_id: str, refusal: Refusal) -> None:
        """As `refuse_message`, for what is no message or not known as one."""
        self.send(replies.refused(type_name, message_id, refusal, self.dialect))

    def count(self, what: Count) -> None:
        """One more of these, for the operator."""
        self.node.counters[what] += 1

    # ---- logging in

    def identified(self, account: Account, token: str) -> None:
        """It is known who the client is, and it is not told yet: pushes wait."""
        self.state = State.ENTERING
        self.account, self.user_id, self.token = account, account.user_id, token
        self.inbox = InboxFeed(self, self.node.store, self.node.clock)

    def not_logged_in(self) -> None:
        """The login failed after all."""
        self.state = State.GUEST
        self.inbox = None
        self._early.clear()

    def logged_in(self, *answers: Message) -> None:
        """Send the answers, and behind them what came meanwhile."""
        self.state = State.MEMBER
        self.rate_limiter.logged_in()
        self.codec = self.connection.speak(self.dialect)
        self._watch_outbox()
        early, self._early = self._early, []
        self.send(*answers, *early)
