"""What the server sends unasked: messages, presence, and the state of the connection."""

from __future__ import annotations

from collections.abc import Callable

from chatroom.client.base.model import Gap, Incoming, Login, State
from chatroom.client.chat_client import ChatClient
from chatroom.client.state.position import just_before
from chatroom.common.clock import Clock
from chatroom.common.waiting import Waiters, within
from chatroom.protocol.messages import ReadMes, ReceivedMes, Seq
from chatroom.terminal import texts
from chatroom.terminal.incoming.message_log import MessageLog
from chatroom.terminal.incoming.presence_notices import PresenceNotices
from chatroom.terminal.screen import Screen, Style
from chatroom.terminal.wording import Wording

#: Seconds to wait for each of the messages that came while the person was away.
LATE_TIMEOUT = 5.0


class Arrivals:
    """Prints what arrives, and keeps it for the message list.

    :param make_client: makes the client, given its callbacks.
    :param ended: called when the connection of somebody who had logged in has ended for good.
    """

    def __init__(
        self,
        screen: Screen,
        wording: Wording,
        clock: Clock,
        make_client: Callable[..., ChatClient],
        ended: Callable[[], object],
    ) -> None:
        self._screen = screen
        self._wording = wording
        self._clock = clock
        self._ended = ended
        self._notices = PresenceNotices(
            clock, wording, lambda line: self._screen.show(line, Style.NOTICE)
        )
        #: There is a connection, or there was one and another is being made.
        self._connected = False
        self._lost = False
        self._leaving = False
        #: Somebody logged in, and has not been told that this is over.
        self.is_inside = False
        self._late = 0
        self._came_late = Waiters()
        self.log = MessageLog()
        self.client = make_client(
            on_text=self._on_text,
            on_presence=self._notices.changed,
            on_state=self._on_state,
            on_gap=self._on_gap,
            on_mark=self._on_mark,
        )

    def expect_login(self) -> None:
        """A login begins: forget the one before."""
        self.log = MessageLog()
        self._late = 0

    async def logged_in(self, login: Login) -> None:
        """Ends when all that waited while the person was away has been shown."""
        self.is_inside = True
        self._notices.start(login.user_id, login.users)
        for peer, seq in login.read.items():
            self.log.mark_read(peer, seq)
        while self._late < login.unread:
            try:
                await within(self._came_late.wait(), LATE_TIMEOUT, self._clock, TimeoutError())
            except TimeoutError:
                return

    def mark_read(self, peer: int, seq: Seq) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``."""
        self.log.mark_read(peer, seq)
        self.client.mark_read(peer, seq)

    def leave(self) -> None:
        """From now on the connection's end is no news."""
        self._leaving = True
        self._notices.stop()

    def _on_text(self, message: Incoming) -> None:
        if message.kind == "system":
            self._screen.show(self._wording.message(message), Style.NOTICE)
            return
        peer = message.peer
        if peer is not None and not self.log.knows(peer):
            # The server lists no conversations, only read marks: this one is found again by it.
            self.mark_read(peer, just_before(message.seq))
        self.log.add_new(message)
        line = self._wording.dated(message) if message.late else self._wording.message(message)
        self._screen.show(line, Style.MESSAGE if peer is None else Style.PRIVATE)
        if message.late:
            self._late += 1
            self._came_late.fire()

    def _on_state(self, state: State) -> None:
        if self._leaving:
            return
        if state is State.RECONNECTING and not self._lost:
            self._lost = True
            self._notices.stop()
            self._screen.show(self._wording.say(texts.LOST), Style.NOTICE)
        elif state is State.ONLINE:
            if self._lost:
                self._back()
            self._connected, self._lost = True, False
        elif state is State.OFFLINE and self._connected:
            self._connected = self._lost = False
            self._notices.stop()
            # A server disconnects a client that does not log in; the next login connects anew.
            if self.is_inside:
                self.is_inside = False
                self._ended()

    def _back(self) -> None:
        self._screen.show(self._wording.say(texts.BACK), Style.NOTICE)
        if self.client.login is not None:
            self._notices.start(self.client.login.user_id, self.client.online.values())

    def _on_gap(self, _: Gap) -> None:
        self._screen.show(self._wording.say(texts.GAP), Style.NOTICE)

    def _on_mark(self, mark: ReadMes | ReceivedMes) -> None:
        if isinstance(mark, ReadMes):
            self.log.mark_read(mark.peer, Seq.parse(mark.seq))
