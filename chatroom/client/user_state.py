"""The state of the user who is logged in: conversations, presence, unsent messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType
from twisted.logger import Logger

from chatroom.client.base import error_texts as words
from chatroom.client.base.errors import NotConnected, SendRefused
from chatroom.client.base.model import Gap, Login, State
from chatroom.client.base.timing import Timing
from chatroom.client.callbacks import Callbacks
from chatroom.client.connection.link import Link, Owner
from chatroom.client.connection.protocol import ClientProtocol
from chatroom.client.state.convert import (
    Welcome,
    is_announcement,
    read_announcement,
    read_refusal,
    read_seq,
    read_text,
    room_of,
)
from chatroom.client.state.online_users import OnlineUsers
from chatroom.client.state.position import Marks, Position
from chatroom.client.state.send_queue import SendQueue
from chatroom.common.clock import Clock, Timer, cancel
from chatroom.protocol import messages as wire

_log = Logger()


class UserState:
    """Handles the server's messages in order; keeps what outlives a connection."""

    def __init__(
        self,
        make_link: Callable[[Owner], Link],
        clock: Clock,
        callbacks: Callbacks,
        timing: Timing,
        position: Position,
        chance: Callable[[], float],
    ) -> None:
        self._tell = callbacks.tell
        self.position = position
        #: Whose position it is; None until the first login.
        self._position_of: int | None = None
        self.login: Login | None = None
        self.online_users = OnlineUsers()
        self.busy = False
        self._clock = clock
        self._status_due: Timer | None = None
        #: How many of the next private messages had waited in the mailbox.
        self._late = 0
        self.link = make_link(self)
        self.marks = Marks(clock, timing.confirm, position, self.link.send)
        self.send_queue = SendQueue(clock, timing, chance, self._overdue)
        self._handlers: dict[type[wire.Message], Callable[[Any], None]] = {
            wire.SmsMes: self._sms,
            wire.PrivateMes: lambda message: self._text(message, None),
            wire.AckMes: self._acknowledged,
            wire.PresenceMes: self._presence,
            wire.ReceivedMes: partial(self._tell, "on_mark"),
            wire.ReadMes: self._read_elsewhere,
            wire.ErrorMes: self._error,
        }

    # ------------------------------------------------------------ for the link

    def resume(self, user_id: int) -> wire.Resume | None:
        """Where this user resumes; a different user starts from the beginning."""
        if self._position_of not in (None, user_id):
            self.position.clear()
        return self.position.resume()

    def logged_in(self, connection: ClientProtocol, welcome: Welcome, resumed: bool) -> None:
        """Begin where the server stands, and send again what it has not answered."""
        login, before = welcome.login, self.login
        self.login = login
        self._position_of = login.user_id
        self.position.adopt(welcome.rooms, welcome.inbox)
        if not resumed:  # else what is left of the late ones comes first
            self._late = login.unread
        changes = self.online_users.replace(login.users, login.online)
        self.marks.logged_in(welcome.inbox, login.read)
        if self.busy:
            self.say_status()
        self.send_queue.open(connection.send_payload)
        if before is not None:
            self._tell("on_presence", changes, login.online)

    def message_received(self, message: wire.Message) -> None:
        """Take what the server sends unasked; what is not known is left alone."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message)

    def link_down(self) -> None:
        """What is under way has no answer; it is sent again on the next connection."""
        self.send_queue.shut()

    def gave_up(self, error: NotConnected) -> None:
        """The login has ended; the position is kept in case the same user logs in again."""
        self.login = None
        self.busy = False
        cancel(self._status_due)
        self._status_due = None
        self._late = 0
        self.online_users.replace([])
        self.marks.clear()
        self.send_queue.fail_all(error)

    def say_status(self) -> None:
        """Tell the server whether the person is busy."""
        self.link.send(wire.StatusMes(wire.Status.BUSY if self.busy else wire.Status.ONLINE))

    def forget(self) -> None:
        """The user has left: the next login begins anew."""
        self.position.clear()
        self._position_of = None

    def state_changed(self, state: State) -> None:
        self._tell("on_state", state)

    # ------------------------------------------------------------ what the server sends

    def _sms(self, message: wire.SmsMes) -> None:
        if is_announcement(message):
            self._tell("on_text", read_announcement(message))
        else:
            self._text(message, room_of(message))

    def _text(self, message: wire.Text, room: str | None) -> None:
        if self.login is None:
            return
        waited = room is None and self._late > 0 and message.user_id != self.login.user_id
        incoming = read_text(message, self.login.user_id, late=waited)
        is_new = self.position.took(room, incoming.seq)
        self._progress()
        if incoming.own and incoming.id is not None:
            if self.send_queue.settle(incoming.id, incoming.seq, wire.Code.OK):
                return  # said here; its acknowledgement was lost with a connection
        if not is_new:
            return
        self._late -= waited
        if room is None:
            # Goes out in a later turn of the reactor, so after the callback, unless that closes.
            self.marks.arrived()
        self._tell("on_text", incoming)

    def _acknowledged(self, ack: wire.AckMes) -> None:
        if ack.id not in self.send_queue:
            return
        if ack.code in (wire.Code.OK, wire.Code.STORED_OFFLINE):
            seq = read_seq(ack.seq)
            self.position.took(self.send_queue.room_of(ack.id), seq)
            self._progress()
            self.send_queue.settle(ack.id, seq, ack.code)
        else:
            self.send_queue.refuse(ack.id, read_refusal(SendRefused, ack))

    def _presence(self, presence: wire.PresenceMes) -> None:
        self.online_users.change(presence)
        self._tell("on_presence", presence.changes, presence.online)

    def _read_elsewhere(self, mark: wire.ReadMes) -> None:
        self.marks.heard(mark, read_seq(mark.seq))
        self._tell("on_mark", mark)

    def _error(self, error: wire.ErrorMes) -> None:
        if error.id is not UNSET:
            self.send_queue.refuse(error.id, read_refusal(SendRefused, error))
        elif error.code == wire.Code.CLOSED or error.reconnect is False:
            self.link.server_closes(error)
        elif error.code == wire.Code.GONE:
            self._gone(error.rooms, error.inbox)
        elif error.code == wire.Code.TOO_FAST and error.about is not UNSET:
            self._too_fast(error.about, 1 if error.retry_after is UNSET else error.retry_after)
        else:
            _log.info("Error {code} from the server: {text}", code=error.code, text=error.error)

    def _too_fast(self, about: str, wait: int) -> None:
        """Something that gets no other answer was refused: say it again once it may be said."""
        self.send_queue.hold(wait, too_fast=True)
        if about == "ReadMes":
            self.marks.refused(wait)
        elif about == "StatusMes" and self._status_due is None:
            self._status_due = self._clock.callLater(wait, self._say_status)

    def _say_status(self) -> None:
        self._status_due = None
        self.say_status()

    def _gone(self, rooms: dict[str, str] | UnsetType, inbox: str | UnsetType) -> None:
        """Resume from the oldest message that the server still holds."""
        gaps = [Gap(room, read_seq(seq)) for room, seq in (rooms or {}).items()]
        if inbox is not UNSET:
            gaps.append(Gap(None, read_seq(inbox)))
        for gap in gaps:
            self.position.restart(gap.room, gap.oldest)
            self._tell("on_gap", gap)

    # ------------------------------------------------------------ inside

    def _progress(self) -> None:
        self.link.backoff.reset()
        self.send_queue.touched()

    def _overdue(self) -> None:
        self.link.drop(words.NOT_ACKNOWLEDGED)
