"""What somebody who is logged in can say and ask, and what the client knows meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from msgspec import UNSET
from twisted.internet.defer import Deferred, fail, succeed

from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import (
    ChatError,
    NotConnected,
    PasswordRefused,
    Refused,
    SendRefused,
    Unconfirmed,
)
from chatroom.client.base.interfaces import Clock
from chatroom.client.base.model import History, Login, Sent, State
from chatroom.client.base.waiting import within
from chatroom.client.session import Session
from chatroom.client.state.checking import check, checked
from chatroom.client.state.convert import read_text
from chatroom.client.state.position import Position
from chatroom.protocol import messages as wire

AnswerT = TypeVar("AnswerT", bound=wire.Message)


class LoggedIn:
    """The half of `chatroom.client.ChatClient` that is about conversations and people."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._link = session.link
        self._clock = clock
        #: Why nothing new is taken on, once that is so.
        self._leaving: Words | None = None

    # ------------------------------------------------------------ what is so

    @property
    def state(self) -> State:
        """Where the client stands with its server."""
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
        return self._session.login

    @property
    def position(self) -> Position:
        """How far the client has come in each conversation; it moves, so keep a copy of it."""
        return self._session.position

    @property
    def online(self) -> dict[int, wire.Person]:
        """Who is online, by id, as far as the server tells; see `partial`."""
        return self._session.roster.online

    @property
    def online_count(self) -> int:
        """How many are online."""
        return self._session.roster.count

    @property
    def partial(self) -> bool:
        """`online` is not complete: there are too many users; `users` asks for them."""
        return self._session.roster.partial

    @property
    def read(self) -> dict[int, wire.Seq]:
        """Up to where the conversation with each user has been seen, on whatever device."""
        return self._session.marks.read

    @property
    def unsettled(self) -> int:
        """How many messages were given to `send` and have no outcome yet."""
        return len(self._session.outbox)

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
        return self._send(
            *(lambda: wire.SmsMes(content, room=room), room, timeout, message_id),
            content=content,
            room=room,
        )

    def send_private(
        self,
        to: int,
        content: str,
        *,
        timeout: float | None = None,
        message_id: str | None = None,
    ) -> Deferred[Sent]:
        """Send a message to one user; as `send`, with code 202 where the recipient is away."""
        return self._send(
            *(lambda: wire.PrivateMes(content, to_user_id=to), None, timeout, message_id),
            to=to,
            content=content,
        )

    def history(
        self,
        *,
        room: str | None = None,
        peer: int | None = None,
        before: wire.Seq | str | None = None,
        limit: int = 50,
    ) -> Deferred[History]:
        """A page of a room (the lobby if neither is given), or of what was said with ``peer``.

        :param before: only what is older than this place.
        :param limit: messages at most; a server gives no more than `messages.MAX_HISTORY`.
        :raises Refused: 404 no such room or user, 410 no longer held, 505.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """

        def build() -> wire.HistoryMes:
            message = wire.HistoryMes(limit=limit)
            if peer is None:
                message.room = wire.LOBBY if room is None else room
            elif room is None:
                message.peer = peer
            else:
                raise Refused(wire.Code.MALFORMED, words.ROOM_AND_PEER)
            message.before = UNSET if before is None else str(before)
            return message

        async def work() -> History:
            answer = await self._ask(
                build, wire.HistoryResMes, room=room, peer=peer, before=before, limit=limit
            )
            reader = 0 if self.login is None else self.login.user_id
            try:
                return History([read_text(text, reader) for text in answer.messages], answer.more)
            except wire.WireError as error:
                raise Refused(wire.Code.MALFORMED, words.no_message(error)) from None

        return Deferred.fromCoroutine(work())

    def mark_read(self, peer: int, seq: wire.Seq | str) -> None:
        """The person has seen the conversation with ``peer`` up to ``seq``.

        Other devices are told; while reconnecting, as soon as that is done.

        :raises Refused: ``peer`` is no user's id, or ``seq`` no place.
        """
        check(Refused, peer=peer, seq=seq)
        if self.login is not None:
            self._session.marks.mark_read(peer, wire.Seq.parse(str(seq)))

    # ------------------------------------------------------------ people

    def users(self) -> Deferred[list[wire.Person]]:
        """Everybody who is online, by id; `online` is up to date with it afterwards.

        :raises Refused: 505 the store is out of reach.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """

        async def work() -> list[wire.Person]:
            people: list[wire.Person] = []
            after: int | None = 0
            while after is not None:
                page = await self.users_page(after, wire.MAX_USERS)
                people += page.users
                # A server that does not get on must not keep its client here for ever.
                after = page.next if page.next is not None and page.next > after else None
            self._session.roster.replace(people)
            return people

        return Deferred.fromCoroutine(work())

    def users_page(self, after: int = 0, limit: int = 100) -> Deferred[wire.UsersResMes]:
        """Those who are online, in the order of their ids, from the one that follows ``after``."""
        return Deferred.fromCoroutine(
            self._ask(
                *(lambda: wire.UsersMes(after, limit), wire.UsersResMes), after=after, limit=limit
            )
        )

    def set_status(self, busy: bool) -> Deferred[None]:
        """Say that the person is busy, or no longer; holds across lost connections.

        :raises NotConnected: nobody is logged in.
        """
        if self.login is None:
            return fail(NotConnected(words.NOBODY_LOGGED_IN))
        self._session.busy = busy
        self._session.say_status()
        return succeed(None)

    def change_password(self, old: str, new: str) -> Deferred[None]:
        """Change the account's password; its tokens are void then, its other sessions end.

        :raises PasswordRefused: 403 ``old`` is wrong, 429, 505, 506 what the text says of ``new``.
        :raises NotConnected: no connection now, or it was lost before the answer came.
        """

        async def work() -> None:
            identity = self._link.identity
            await self._ask(
                *(lambda: wire.PasswordMes(old, new), wire.PasswordResMes, PasswordRefused),
                old=old,
                new=new,
            )
            assert identity is not None
            identity.password, identity.token = new, None

        return Deferred.fromCoroutine(work())

    # ------------------------------------------------------------ inside

    def _send(
        self,
        build: Callable[[], wire.Text],
        where: str | None,
        timeout: float | None,
        message_id: str | None,
        **arguments: object,
    ) -> Deferred[Sent]:
        name = secrets.token_urlsafe(16) if message_id is None else message_id

        def build_named() -> wire.Text:
            message = build()
            message.id = name
            return message

        try:
            self._check_logged_in()
            if name in self._session.outbox:
                raise SendRefused(wire.Code.MALFORMED, words.UNDER_WAY)
            _, payload = checked(SendRefused, build_named, message_id=message_id, **arguments)
        except ChatError as error:
            return fail(error)
        sent = self._session.outbox.add(name, where, payload)
        if timeout is None:
            return sent
        late = Unconfirmed(words.unconfirmed(timeout))
        return within(sent, timeout, self._clock, late)

    async def _ask(
        self,
        build: Callable[[], wire.Message],
        answer: type[AnswerT],
        refused: type[Refused] = Refused,
        **arguments: object,
    ) -> AnswerT:
        self._check_logged_in()
        message, _ = checked(refused, build, **arguments)
        return await self._link.connection().ask(message, answer, refused)

    def _check_logged_in(self) -> None:
        if self._leaving is not None:
            raise NotConnected(self._leaving)
        if self._link.identity is None:
            is_up = self.state is State.ONLINE
            raise NotConnected(words.NOBODY_LOGGED_IN if is_up else self._link.why)
