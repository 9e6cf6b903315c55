"""Registering, logging in and out, and closing; finishing first what is under way."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning

from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import ChatError, LoginRefused, NotConnected, RegisterRefused
from chatroom.client.base.model import Login, State
from chatroom.client.connection.login import Identity, is_final
from chatroom.client.connection.protocol import ClientProtocol
from chatroom.client.state.checking import check
from chatroom.client.user_state import UserState
from chatroom.common.clock import Clock, pause
from chatroom.common.waiting import within
from chatroom.protocol import messages as wire

T = TypeVar("T")


class Lifecycle:
    """What `chatroom.client.ChatClient` does when its user comes or goes; it documents each."""

    def __init__(self, user: UserState, clock: Clock, reactor: Any) -> None:
        """:param reactor: is stopped where a callback ends the program and nobody waits for it."""
        self._user = user
        self._link = user.link
        self._clock = clock
        self._reactor = reactor
        #: Why nothing new is accepted, once that is so.
        self.leaving: Words | None = None

    async def register(self, user_id: int, password: str, name: str, invite: str | None) -> None:
        check(RegisterRefused, user_id=user_id, password=password, name=name, invite=invite)
        user = wire.User(user_id, password, name)
        message = wire.RegisterMes(user, UNSET if invite is None else invite)
        await self._when_connected(
            lambda connection: connection.requests.ask(
                message, wire.RegisterResMes, RegisterRefused
            )
        )

    async def log_in(self, user_id: int, password: str | None, token: str | None) -> Login:
        if self._link.identity is not None:
            raise ChatError(words.LOGGED_IN_ALREADY)
        check(LoginRefused, user_id=user_id, password=password or "", token=token)
        welcome = await self._when_connected(
            lambda connection: self._link.log_in(connection, Identity(user_id, password, token))
        )
        return welcome.login

    async def log_out(self, seconds: float) -> None:
        if self._link.state is State.CLOSED:
            return
        self.leaving = words.LOGGING_OUT
        try:
            await self._finish(seconds)
            gone = self._link.log_out()
            self._user.forget()
            await gone
        finally:
            if self.leaving == words.LOGGING_OUT:  # else it is being closed meanwhile
                self.leaving = None

    async def close(self, seconds: float) -> None:
        self.leaving = words.CLOSING
        try:
            try:
                await self._finish(seconds)
            finally:
                gone = self._link.close()
            await gone
        except BaseException:  # a cancellation of asyncio's is no Exception
            self._link.abandon()
            raise

    def exit(self, error: BaseException) -> None:
        """A callback ends the program: what it was called with counts as shown."""
        self.leaving = words.CLOSING
        self._user.marks.flush()
        # A turn later: a caller that waited for the login may be about to call `when_ended`.
        gone = self._link.close(error).addCallback(lambda _: pause(self._clock, 0))
        gone.addCallback(lambda _: self._stop_reactor())

    def _stop_reactor(self) -> None:
        if self._link.ending.was_told:
            return
        # It may not have begun to run; and what only gives the time has nothing to stop.
        if hasattr(self._reactor, "callWhenRunning"):
            with contextlib.suppress(ReactorNotRunning):
                self._reactor.callWhenRunning(self._reactor.stop)

    async def _when_connected(self, ask: Callable[[ClientProtocol], Awaitable[T]]) -> T:
        """Send a request; connect first if needed.

        A server disconnects a client that has not logged in for a while. If that crosses with the
        request, it is sent once more on another connection.
        """
        dismissed = False
        while True:
            await self._link.connect()
            connection = self._link.connection()
            try:
                return await ask(connection)
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
            await self._user.send_queue.when_empty()
        if self._link.state is State.ONLINE:
            await self._link.connection().requests.when_idle()
        if self._link.identity is not None:
            self._user.marks.flush()
            # Frames are handled in order: the answer says that the server has read the marks too.
            await self._link.connection().requests.ask(wire.PingMes(), wire.PongMes)
