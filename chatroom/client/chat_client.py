"""The client as its user sees it: what can be asked of it, each as a Deferred."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from functools import partial
from typing import cast

from msgspec import UNSET
from twisted.internet.defer import Deferred, fail, succeed

from chatroom.client.base import error_texts as words
from chatroom.client.base.errors import (
    ChatError,
    NotConnected,
    PasswordRefused,
    Refused,
    SendRefused,
    Unconfirmed,
)
from chatroom.client.base.model import Gap, History, Incoming, Login, Sent, State
from chatroom.client.base.monotonic_timers import steady
from chatroom.client.base.timing import Timing
from chatroom.client.callbacks import Callbacks
from chatroom.client.connection.endpoint import Endpoint
from chatroom.client.connection.link import Link
from chatroom.client.lifecycle import Lifecycle
from chatroom.client.state.checking import check
from chatroom.client.state.convert import read_text
from chatroom.client.state.position import Position
from chatroom.client.user_state import UserState
from chatroom.common.clock import Clock
from chatroom.common.waiting import returns_deferred, within
from chatroom.protocol import codec, messages as wire


class ChatClient:
    """A connection to a chat server that heals itself.

    When the connection is lost while somebody is logged in, another is made, the conversations go
    on where they were, and what was not acknowledged is sent again; nothing is shown twice.

    Callbacks may be coroutine functions. An exception from a callback is logged and has no other
    effect, except SystemExit and KeyboardInterrupt, which end the program as usual: the client is
    closed and `when_ended` fails with it; if nobody waits for that, the reactor is stopped.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        reactor: Clock | None = None,
        on_text: Callable[[Incoming], object] | None = None,
        on_presence: Callable[[list[wire.Person], int], object] | None = None,
        on_state: Callable[[State], object] | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        on_mark: Callable[[wire.ReadMes | wire.ReceivedMes], object] | None = None,
        reconnect: bool = True,
        wait: bool = False,
        position: Position | None = None,
        timing: Timing | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """
        :param endpoint: any Twisted client endpoint.
        :param reactor: what gives the time; the running reactor if left out.
        :param on_text: every message for the person, in order, each exactly once; not what this
            client itself sends.
        :param on_presence: the users who came online, changed or went offline, and how many
            are online now.
        :param on_state: `state` is new; `why` says in one line what led to it.
        :param on_gap: the server no longer holds what should come next.
        :param on_mark: what another device of the same user has received or shown.
        :param reconnect: False: a lost connection ends the login.
        :param wait: True: where the server is not there yet, or can't reach its store, `connect`,
            `register` and `log_in` try again until it is, with pauses as when reconnecting; `why`
            says meanwhile why the last try failed. What is final fails all the same: a
            certificate that is not accepted, what is no chatroom server, a wrong password.
            Cancelling ends it.
        :param position: where to resume at the first login, kept from an earlier run.
        :param chance: a random number from 0 to 1, to spread new tries to connect.
        """
        if reactor is None:
            from twisted.internet import reactor as running

            reactor = cast(Clock, running)
        callbacks = Callbacks(
            reactor,
            lambda error: self._lifecycle.exit(error),
            on_text=on_text,
            on_presence=on_presence,
            on_state=on_state,
            on_gap=on_gap,
            on_mark=on_mark,
        )
        clock = self._clock = steady(reactor)
        timing = Timing() if timing is None else timing
        position = Position() if position is None else position.copy()
        make_link = partial(Link, endpoint, clock, timing, chance, reconnect=reconnect, wait=wait)
        self._user = UserState(make_link, clock, callbacks, timing, position, chance)
        self._link = self._user.link
        self._lifecycle = Lifecycle(self._user, clock, reactor)

    # ------------------------------------------------------------ state

    @property
    def state(self) -> State:
        """The state of the connection to the server."""
        return self._link.state

    @property
    def why(self) -> str:
        """What led to `state`, in one line; while reconnecting, why the last try failed."""
        return self._link.why

    @property
    def why_zh(self) -> str:
        """`why` in Chinese."""
        return self._link.why.zh

    @property
    def login(self) -> Login | None:
        """The last login, or None when nobody is logged in."""
        return self._user.login

    @property
    def position(self) -> Position:
        """The newest place received in each conversation; it changes, so keep a copy of it."""
        return self._user.position

    @property
    def online(self) -> dict[int, wire.Person]:
        """The users online, by id, as far as the server has told; see `partial`."""
        return self._user.online_users.by_id

    @property
    def online_count(self) -> int:
        """How many are online."""
        return self._user.online_users.count

    @property
    def partial(self) -> bool:
        """Whether `online` lacks some, because there are too many; `users` asks for all."""
        return self._user.online_users.partial

    @property
    def read(self) -> dict[int, wire.Seq]:
        """The place up to which each private conversation was read, on any device, by user id."""
        return self._user.marks.read

    @property
    def unsettled(self) -> int:
        """The number of messages passed to `send` that have no outcome yet."""
        return len(self._user.send_queue)

    # ------------------------------------------------------------ connecting and logging in

    def connect(self) -> Deferred[None]:
        """Make the first connection; while one is being made, wait for it.

        :raises NotConnected: the server can't be reached; it is not tried again by itself, unless
            the client was made with ``wait``.
        """
        return self._link.connect()

    def register(
        self, user_id: int, password: str, name: str, *, invite: str | None = None
    ) -> Deferred[None]:
        """Create an account; connects first if needed.

        :param invite: the invitation, where the server wants one.
        :raises RegisterRefused: 505 the id is taken; 429; 506 any other reason, told by the text.
        :raises NotConnected: no connection, or it was lost before the answer came.
        """
        return Deferred.fromCoroutine(self._lifecycle.register(user_id, password, name, invite))

    def log_in(
        self, user_id: int, password: str | None = None, *, token: str | None = None
    ) -> Deferred[Login]:
        """Log in, with a token, a password, or the token and if it is refused the password.

        Both are kept in memory for the next connection. What waited in the mailbox comes through
        ``on_text`` after this.

        :raises LoginRefused: 500 no such user, 403 wrong password or token, 505, 429.
        :raises NotConnected: no connection, or it was lost before the answer came.
        """
        return Deferred.fromCoroutine(self._lifecycle.log_in(user_id, password, token))

    def log_out(self, timeout: float = 5.0) -> Deferred[None]:
        """Finish what is under way, void the token, and disconnect.

        Without a connection the server can't be told, and the token stays valid there.

        :param timeout: for what is under way, in seconds; what is not settled then fails.
        """
        return Deferred.fromCoroutine(self._lifecycle.log_out(timeout))

    def close(self, timeout: float = 5.0) -> Deferred[None]:
        """Finish what is under way, and disconnect for good. The token stays valid.

        Cancelled (by ``addTimeout``, say), it finishes nothing more and breaks the connection at
        once. Called again, it waits until the connection is gone.

        :param timeout: for what is under way, in seconds; what is not settled then fails.
        """
        return Deferred.fromCoroutine(self._lifecycle.close(timeout))

    def when_ended(self) -> Deferred[None]:
        """Fires when `close` or `log_out` is done; for a program that only has callbacks.

        :raises NotConnected: the connection has ended, and none is made by itself: the server
            refuses the login, say, or its certificate is not accepted.
        :raises SystemExit: a callback raised it, or KeyboardInterrupt.
        """
        return self._link.ending.wait()

    # ------------------------------------------------------------ messages

    def send(
        self,
        content: str,
        room: str = wire.LOBBY,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
    ) -> Deferred[Sent]:
        """Send a message to a room; fires when the server has stored it.

        Across lost connections it is sent again until its outcome is known. Cancelling gives it
        up; it may have been stored all the same.

        :param timeout: for the outcome, in seconds; as long as it takes if left out.
        :param message_id: to send again what an earlier run sent under this id; else a new one.
        :raises SendRefused: for good.
        :raises Unconfirmed: there is no outcome within ``timeout``.
        :raises NotConnected: nobody is logged in, or that ended before there was an outcome.
        """
        message = partial(wire.SmsMes, content, room=room)
        return self._send(room, message, message_id, timeout, content=content, room=room)

    def send_private(
        self,
        to: int,
        content: str,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
    ) -> Deferred[Sent]:
        """Send a message to one user; as `send`, with code 202 where the recipient is away."""
        message = partial(wire.PrivateMes, content, to_user_id=to)
        return self._send(None, message, message_id, timeout, to=to, content=content)

    def _send(
        self,
        where: str | None,
        build: Callable[..., wire.Text],
        message_id: str | None,
        timeout: float | None,
        **arguments: object,
    ) -> Deferred[Sent]:
        """
        :param where: the room, or None for a private message.
        :param build: makes the message, given its id.
        :param arguments: what the user gave, to be checked first.
        """
        name = secrets.token_urlsafe(16) if message_id is None else message_id
        try:
            self._check(SendRefused)
            if name in self._user.send_queue:
                raise SendRefused(wire.Code.MALFORMED, words.UNDER_WAY)
            check(SendRefused, message_id=message_id, **arguments)
        except ChatError as error:
            return fail(error)
        sent = self._user.send_queue.add(name, where, codec.encode(build(id=name)))
        if timeout is None:
            return sent
        late = Unconfirmed(words.UNCONFIRMED.filled(seconds=timeout))
        return within(sent, timeout, self._clock, late)

    @returns_deferred
    async def history(
        self,
        *,
        room: str | None = None,
        peer: int | None = None,
        before: wire.Seq | str | None = None,
        limit: int = 50,
    ) -> History:
        """A page of a room (the lobby if neither is given), or of what was said with ``peer``.

        :param before: only what is older than this place.
        :param limit: messages at most; a server gives no more than `messages.MAX_HISTORY`.
        :raises Refused: 404 no such room or user, 410 no longer held, 505.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """
        self._check(Refused, room=room, peer=peer, before=before, limit=limit)
        message = wire.HistoryMes(limit=limit)
        if peer is None:
            message.room = wire.LOBBY if room is None else room
        elif room is None:
            message.peer = peer
        else:
            raise Refused(wire.Code.MALFORMED, words.ROOM_AND_PEER)
        message.before = UNSET if before is None else str(before)
        answer = await self._link.connection().requests.ask(message, wire.HistoryResMes)
        reader = 0 if self.login is None else self.login.user_id
        try:
            return History([read_text(text, reader) for text in answer.messages], answer.more)
        except codec.WireError as error:
            raise Refused(wire.Code.MALFORMED, words.NO_MESSAGE.filled(problem=error)) from None

    def mark_read(self, peer: int, seq: wire.Seq | str) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``.

        Other devices are told; while reconnecting, as soon as that is done.

        :raises Refused: ``peer`` is no user's id, or ``seq`` no place.
        """
        check(Refused, peer=peer, seq=seq)
        if self.login is not None:
            self._user.marks.mark_read(peer, wire.Seq.parse(str(seq)))

    # ------------------------------------------------------------ people

    @returns_deferred
    async def users(self) -> list[wire.Person]:
        """Everybody who is online, by id; `online` is up to date with it afterwards.

        :raises Refused: 505 the store is out of reach.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """
        people: list[wire.Person] = []
        after: int | None = 0
        while after is not None:
            page = await self.users_page(after, wire.MAX_USERS)
            people += page.users
            # A server that repeats a page must not keep the client in this loop.
            after = page.next if page.next is not None and page.next > after else None
        self._user.online_users.replace(people)
        return people

    @returns_deferred
    async def users_page(self, after: int = 0, limit: int = 100) -> wire.UsersResMes:
        """A page of the users online, by id, starting behind ``after``."""
        self._check(Refused, after=after, limit=limit)
        message = wire.UsersMes(after, limit)
        return await self._link.connection().requests.ask(message, wire.UsersResMes)

    def set_status(self, busy: bool) -> Deferred[None]:
        """Say that the person is busy, or no longer; holds across lost connections.

        :raises NotConnected: nobody is logged in.
        """
        if self.login is None:
            return fail(NotConnected(words.NOBODY_LOGGED_IN))
        self._user.busy = busy
        self._user.say_status()
        return succeed(None)

    @returns_deferred
    async def change_password(self, old: str, new: str) -> None:
        """Change the account's password; its tokens are void then, its other sessions end.

        :raises PasswordRefused: 403 ``old`` is wrong, 429, 505, 506 what the text says of ``new``.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """
        self._check(PasswordRefused, old=old, new=new)
        identity, message = self._link.identity, wire.PasswordMes(old, new)
        assert identity is not None
        requests = self._link.connection().requests
        await requests.ask(message, wire.PasswordResMes, PasswordRefused)
        identity.password, identity.token = new, None

    def _check(self, refused: type[Refused], **arguments: object) -> None:
        """
        :raises NotConnected: nobody is logged in.
        :raises Refused: as ``refused``: an argument is not valid.
        """
        if self._lifecycle.leaving is not None:
            raise NotConnected(self._lifecycle.leaving)
        if self._link.identity is None:
            is_up = self._link.state is State.ONLINE
            raise NotConnected(words.NOBODY_LOGGED_IN if is_up else self._link.why)
        check(refused, **arguments)
