"""The client as its user sees it: what can be asked of it, each as a Deferred."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import UNSET
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ReactorNotRunning

from chatroom.client.base import error_texts as words
from chatroom.client.base.errors import (
    ChatError,
    LoginRefused,
    NotConnected,
    RegisterRefused,
)
from chatroom.client.base.interfaces import Clock, Endpoint
from chatroom.client.base.model import Gap, Incoming, Login, State
from chatroom.client.base.monotonic_timers import steady
from chatroom.client.base.timing import Timing
from chatroom.client.base.waiting import pause, within
from chatroom.client.callbacks import Callbacks
from chatroom.client.connection.login import Identity, is_final
from chatroom.client.logged_in import LoggedIn
from chatroom.client.session import Session
from chatroom.client.state.checking import check, checked
from chatroom.client.state.position import Position
from chatroom.protocol import messages as wire

T = TypeVar("T")


class ChatClient(LoggedIn):
    """A connection to a chat server that heals itself.

    When the connection is lost while somebody is logged in, another is made, the conversations go
    on where they were, and what was not acknowledged is sent again; nothing is shown twice.

    Callbacks may be coroutine functions. What they raise is logged, and costs nothing else; but for
    SystemExit and KeyboardInterrupt, which end the program as elsewhere: the client is closed, and
    `when_ended` fails with it; where nobody waits for that, the reactor is stopped.
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
        :param on_presence: who came, changed or went, and how many are online now.
        :param on_state: `state` is new; `why` says in one line what led to it.
        :param on_gap: the server no longer holds what should come next.
        :param on_mark: what another device of the same person has got or shown.
        :param reconnect: False: a connection lost is the end of the login.
        :param wait: True: where the server is not there yet, or can't reach its store, `connect`,
            `register` and `log_in` try again until it is, with pauses as when reconnecting; `why`
            says meanwhile why the last try failed. What is final fails all the same: a
            certificate that is not accepted, what is no chatroom server, a wrong password.
            Cancelling ends it.
        :param position: where to go on from at the first login, kept from an earlier run.
        :param chance: a random number from 0 to 1, to spread new tries to connect.
        """
        if reactor is None:
            from twisted.internet import reactor as running

            reactor = running
        self._reactor: Any = reactor
        assert reactor is not None
        reactor = steady(reactor)
        session = Session(
            endpoint,
            reactor,
            Callbacks(
                self._reactor,
                self._exit,
                on_text=on_text,
                on_presence=on_presence,
                on_state=on_state,
                on_gap=on_gap,
                on_mark=on_mark,
            ),
            timing=Timing() if timing is None else timing,
            reconnect=reconnect,
            wait=wait,
            position=Position() if position is None else position.copy(),
            chance=chance,
        )
        super().__init__(session, reactor)

    # ------------------------------------------------------------ coming and going

    def connect(self) -> Deferred[None]:
        """Make the first connection; while one is being made, wait for it.

        :raises NotConnected: the server can't be reached; it is not tried again by itself, unless
            the client was made with ``wait``.
        """
        return self._link.connect()

    def register(
        self, user_id: int, password: str, name: str, *, invite: str | None = None
    ) -> Deferred[None]:
        """Make an account; connects if need be.

        :param invite: the invitation, where the server wants one.
        :raises RegisterRefused: 505 the id is taken; 429; 506 any other reason, told by the text.
        :raises NotConnected: no connection, or it was lost before the answer came.
        """

        async def work() -> None:
            message, _ = checked(
                RegisterRefused,
                lambda: wire.RegisterMes(
                    wire.User(user_id, password, name), UNSET if invite is None else invite
                ),
                user_id=user_id,
                password=password,
                name=name,
                invite=invite,
            )
            await self._when_connected(
                lambda: self._link.connection().ask(message, wire.RegisterResMes, RegisterRefused)
            )

        return Deferred.fromCoroutine(work())

    def log_in(
        self, user_id: int, password: str | None = None, *, token: str | None = None
    ) -> Deferred[Login]:
        """Log in, with a token, a password, or the token and if it is refused the password.

        Both are kept in memory for the next connection. What waited in the mailbox comes through
        ``on_text`` after this.

        :raises LoginRefused: 500 no such user, 403 wrong password or token, 505, 429.
        :raises NotConnected: no connection, or it was lost before the answer came.
        """

        async def work() -> Login:
            if self._link.identity is not None:
                raise ChatError(words.LOGGED_IN_ALREADY)
            check(LoginRefused, user_id=user_id, password=password or "", token=token)
            welcome = await self._when_connected(
                lambda: self._link.log_in(Identity(user_id, password, token))
            )
            return welcome.login

        return Deferred.fromCoroutine(work())

    def log_out(self, timeout: float = 5.0) -> Deferred[None]:
        """Finish what is under way, void the token, and disconnect.

        Without a connection the server can't be told, and the token stays valid there.

        :param timeout: for what is under way, in seconds; what is not settled then fails.
        """

        async def work() -> None:
            self._leaving = words.LOGGING_OUT
            try:
                await self._finish(timeout)
                gone = self._link.log_out()
                self._session.forget()
                await gone
            finally:
                if self._leaving == words.LOGGING_OUT:  # else it is being closed meanwhile
                    self._leaving = None

        return succeed(None) if self.state is State.CLOSED else Deferred.fromCoroutine(work())

    def close(self, timeout: float = 5.0) -> Deferred[None]:
        """Finish what is under way, and disconnect for good. The token stays valid.

        Cancelled (by ``addTimeout``, say), it finishes nothing more and breaks the connection at
        once. Called again, it waits until the connection is gone.

        :param timeout: for what is under way, in seconds; what is not settled then fails.
        """

        async def work() -> None:
            self._leaving = words.CLOSING
            try:
                try:
                    await self._finish(timeout)
                finally:
                    gone = self._link.close()
                await gone
            except BaseException:  # a cancellation of asyncio's is no Exception
                self._link.abandon()
                raise

        return Deferred.fromCoroutine(work())

    def when_ended(self) -> Deferred[None]:
        """Fires when `close` or `log_out` is done; for a program that only has callbacks.

        :raises NotConnected: the connection has ended, and none is made by itself: the server
            refuses the login, say, or its certificate is not accepted.
        :raises SystemExit: a callback raised it, or KeyboardInterrupt.
        """
        return self._link.when_ended()

    # ------------------------------------------------------------ inside

    def _exit(self, error: BaseException) -> None:
        """A callback ends the program: what it was called with counts as shown."""
        self._leaving = words.CLOSING
        self._session.marks.flush()
        # A turn later: who waited for the login, say, may only be on the way to `when_ended`.
        gone = self._link.close(error).addCallback(lambda _: pause(self._clock, 0))
        gone.addCallback(lambda _: self._stop_reactor())

    def _stop_reactor(self) -> None:
        if self._link.was_end_told:
            return
        # It may not have begun to run; and what only gives the time has nothing to stop.
        if hasattr(self._reactor, "callWhenRunning"):
            with contextlib.suppress(ReactorNotRunning):
                self._reactor.callWhenRunning(self._reactor.stop)

    async def _when_connected(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask on the connection, made if need be.

        A server hangs up on who does not log in for a while. Where that crosses with the question,
        it is asked once more on another connection.
        """
        dismissed = False
        while True:
            await self._link.connect()
            connection = self._link.connection()
            try:
                return await ask()
            except NotConnected as error:
                if connection.is_dismissed and not dismissed and not error.final:
                    dismissed = True
                elif self._link.waits and not error.final:
                    await self._link.back_off()
                else:
                    raise
            except LoginRefused as error:
                if is_final(error) or not self._link.waits:
                    raise
                await self._link.back_off(error.retry_after or 0.0)
            # The link learns of it only after those who asked.
            await pause(self._clock, 0)

    async def _finish(self, seconds: float) -> None:
        """Wait for the outcome of what is under way, but for no longer than that."""
        settled = Deferred.fromCoroutine(self._settle())
        # What is not settled by then fails when the link is closed.
        with contextlib.suppress(ChatError):
            await within(settled, seconds, self._clock, ChatError(words.STILL_UNDER_WAY))

    async def _settle(self) -> None:
        if self._link.identity is not None:
            await self._session.outbox.when_empty()
        if self.state is State.ONLINE:
            await self._link.connection().when_idle()
        if self._link.identity is not None:
            self._session.marks.flush()
            # Frames are handled in order: the answer says that the server has read the marks too.
            await self._link.connection().ask(wire.PingMes(), wire.PongMes)
