"""Keeps one connection to the server: reconnects when it is lost, and logs in again.

The states and what leads from one to another:

    OFFLINE       connect, or a login or registration that needs it   CONNECTING
    CONNECTING    the connection is up                                ONLINE
                  it can't be made, and is not waited for             OFFLINE
    ONLINE        lost, while somebody is logged in                   RECONNECTING
                  lost otherwise; logged out                          OFFLINE
    RECONNECTING  connected, and logged in again                      ONLINE
                  the server refuses the login for good               OFFLINE
                  its certificate is not accepted                     OFFLINE
    any           close                                               CLOSED
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatroom.client.base import error_texts as words
from chatroom.client.base.error_texts import Words
from chatroom.client.base.errors import ChatError, LoginRefused, NotConnected, Untrusted
from chatroom.client.base.model import State
from chatroom.client.base.timing import Backoff, Timing
from chatroom.client.connection.endpoint import Endpoint
from chatroom.client.connection.login import Identity, is_final, log_in
from chatroom.client.connection.protocol import ClientProtocol, one_line
from chatroom.client.state.convert import Welcome
from chatroom.common.clock import Clock, pause
from chatroom.common.waiting import Waiters, within
from chatroom.protocol import messages as wire

_log = Logger()


class Owner(Protocol):
    """What a link reports to."""

    def resume(self, user_id: int) -> wire.Resume | None:
        """The positions from which a login of this user resumes."""

    def logged_in(self, connection: ClientProtocol, welcome: Welcome, resumed: bool) -> None:
        """A login succeeded; messages after its answer have not been handled yet."""

    def message_received(self, message: wire.Message) -> None:
        """A message that answers no request; may raise `chatroom.protocol.codec.WireError`."""

    def link_down(self) -> None:
        """The connection is gone, whether or not another one follows."""

    def gave_up(self, error: NotConnected) -> None:
        """The login has ended, and no new connection is made."""

    def state_changed(self, state: State) -> None:
        """The link's `state` and `why` have changed."""


class Ending:
    """Tells all waiting callers that the connection has ended and is not made again."""

    def __init__(self) -> None:
        self._waiters = Waiters()
        self._has_come = False
        #: The error that ended it; None: the end was asked for.
        self.error: BaseException | None = None
        #: At least one caller was told.
        self.was_told = False

    def wait(self) -> Deferred[None]:
        """Fires at the end; fails if an error caused it."""
        ended = self._waiters.wait()
        if self._has_come:
            self._tell()
        return ended

    def come(self, error: BaseException | None) -> None:
        """Record the end, and tell all callers that wait."""
        self._has_come, self.error = True, error
        self._tell()

    def reset(self) -> None:
        """Start over, for a new connection."""
        self._has_come, self.error, self.was_told = False, None, False

    def _tell(self) -> None:
        self.was_told = self.was_told or bool(self._waiters)
        self._waiters.fire(self.error)


class Link:
    """Keeps a connection to one endpoint, and an account logged in on it."""

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        timing: Timing,
        chance: Callable[[], float],
        owner: Owner,
        *,
        reconnect: bool,
        wait: bool,
    ) -> None:
        """
        :param reconnect: whether to connect again after a connection is lost.
        :param wait: whether to retry the first connection until it succeeds.
        """
        self.state = State.OFFLINE
        self.why: Words = words.NOT_YET
        self.identity: Identity | None = None
        self._endpoint = endpoint
        self._clock = clock
        self._owner = owner
        self._timing = timing
        self._reconnect = reconnect
        self.waits = wait
        self.backoff = Backoff(timing, chance)
        self._connection: ClientProtocol | None = None
        #: The last connection that we closed; it may not be gone yet.
        self._left: ClientProtocol | None = None
        self._factory: Any = Factory.forProtocol(
            lambda: ClientProtocol(owner.message_received, self._lost, clock, timing)
        )
        self._factory.noisy = False
        self._work: Deferred[None] = succeed(None)
        self._arrival = Waiters()
        self._rest = Waiters()
        self.ending = Ending()
        self._online_since = 0.0
        self._sent_away = False

    # ------------------------------------------------------------ for the client

    def connect(self) -> Deferred[None]:
        """Fires when the connection is up; fails with `NotConnected` when it can't be made."""
        if self.state is State.ONLINE:
            return succeed(None)
        if self.state is State.CLOSED:
            return fail(NotConnected(self.why))
        arrived = self._arrival.wait()
        if self.state is State.OFFLINE:
            self._sent_away = False
            self.ending.reset()
            self._become(State.CONNECTING, words.CONNECTING)
            self._start(self._first_connection())
        return arrived.addErrback(self._no_longer_awaited)

    async def back_off(self, least: float = 0.0) -> None:
        """Wait before the next try, longer after each failure.

        :param least: shortest wait, in seconds.
        :raises NotConnected: the link was closed meanwhile.
        """
        over = ChatError("waited long enough")
        try:
            await within(self._rest.wait(), self.backoff.next(least), self._clock, over)
        except ChatError as error:
            if error is not over:
                raise

    async def log_in(self, connection: ClientProtocol, identity: Identity) -> Welcome:
        """As `login.log_in`, and report to the owner."""
        resume = self._owner.resume(identity.user_id)
        welcome = await log_in(connection, identity, resume)
        self.identity = identity
        if self.state is State.RECONNECTING:
            self._become(State.ONLINE, words.CONNECTED_AGAIN)
            if self._connection is not connection:
                return welcome  # lost again during that call; reconnecting has begun
        self._owner.logged_in(connection, welcome, resume is not None)
        return welcome

    def connection(self) -> ClientProtocol:
        """:raises NotConnected: there is none that is ready for requests."""
        if self._connection is None or self.state is not State.ONLINE:
            raise NotConnected(self.why)
        return self._connection

    def send(self, message: wire.Message) -> bool:
        """Send a message that needs no answer; False while nobody is logged in."""
        if self.identity is None or self.state is not State.ONLINE:
            return False
        self.connection().send(message)
        return True

    def drop(self, why: Words) -> None:
        """Abort the connection."""
        if self._connection is not None:
            self._connection.drop(why)

    def server_closes(self, error: wire.ErrorMes) -> None:
        """The server said that it closes the session, and whether to reconnect."""
        if error.reconnect is False:
            self._sent_away = True
        else:
            self.backoff.reset()
        if self._connection is not None:
            why = words.of_server(error.code, error.error)
            self._connection.expect_close(why, final=self._sent_away)

    def log_out(self) -> Deferred[None]:
        """End the login on both sides, and disconnect; fires when that is done."""
        said = self.send(wire.LogoutMes())
        return self._leave(State.OFFLINE, words.LOGGED_OUT, server_first=said)

    def close(self, error: BaseException | None = None) -> Deferred[None]:
        """Disconnect for good; each call's Deferred fires when that is done.

        :param error: the error that `when_ended` fails with.
        """
        if self.state is State.CLOSED:
            self.ending.error = error or self.ending.error
            return self._gone()
        return self._leave(State.CLOSED, words.CLOSED, server_first=False, error=error)

    def abandon(self) -> None:
        """Abort the connection that we closed, without waiting for its end."""
        if self._left is not None:
            self._left.drop(words.CLOSED)

    # ------------------------------------------------------------ inside

    def _lost(self, connection: ClientProtocol, why: Words) -> None:
        """Connect again, or report that the connection has ended."""
        if connection is not self._connection:
            return
        self._connection = None
        self._owner.link_down()
        if self.state is not State.ONLINE:
            return  # the code that makes the connection learns it from the failed login
        if self._clock.seconds() - self._online_since >= self._timing.stable_after:
            self.backoff.reset()
        if self.identity is None or not self._reconnect or self._sent_away:
            self._give_up(why)
        else:
            self._become(State.RECONNECTING, why)
            self._start(self._connect_again(self.identity))

    async def _first_connection(self) -> None:
        while True:
            try:
                await self._open()
            except NotConnected as error:
                if self.state is not State.CONNECTING:
                    return
                if error.final or not self.waits:
                    self._become(State.OFFLINE, error.words, error)
                    self._tell_end(error)
                    return
                self._tried(error.words)
                await pause(self._clock, self.backoff.next())
            else:
                self._become(State.ONLINE, words.CONNECTED)
                return

    def _tried(self, why: Words) -> None:
        """Log why there is no connection yet, once for each reason."""
        if why != self.why:
            self.why = why
            _log.info("Not connected, retrying: {why}", why=why)

    def _no_longer_awaited(self, failure: Failure) -> Failure:
        """When the last caller that waited has cancelled, stop trying."""
        if (
            failure.check(CancelledError)
            and self.waits
            and self.state is State.CONNECTING
            and not self._arrival
        ):
            self._work.cancel()
            self._give_up(words.GIVEN_UP)
        return failure

    async def _connect_again(self, identity: Identity) -> None:
        wait = 0.0
        while self.state is State.RECONNECTING:
            await pause(self._clock, self.backoff.next(wait))
            wait = 0.0
            try:
                await self.log_in(await self._open(), identity)
                return
            except Untrusted as error:
                # Only a person can say whether the certificate is right; a retry would hide it.
                self._give_up(error.words)
            except NotConnected as error:
                self.why = error.words
            except LoginRefused as error:
                self.why = words.LOGIN_REFUSED.filled(why=error.words)
                self.drop(self.why)
                if is_final(error):
                    self._give_up(self.why)
                wait = error.retry_after or 0.0
            if self._sent_away and self.state is State.RECONNECTING:
                self._give_up(self.why)

    async def _open(self) -> ClientProtocol:
        seconds = self._timing.connect
        error = NotConnected(words.NO_ANSWER.filled(seconds=seconds))
        try:
            made = self._endpoint.connect(self._factory)
            connection: ClientProtocol = await within(made, seconds, self._clock, error)
        except NotConnected:
            raise
        except Exception as problem:  # noqa: BLE001  # an endpoint may fail with anything
            raise NotConnected(one_line(problem)) from None
        lost = connection.lost()
        if lost is not None:
            raise lost  # it was lost before the endpoint returned it
        self._connection = connection
        return connection

    def _leave(
        self, state: State, why: Words, *, server_first: bool, error: BaseException | None = None
    ) -> Deferred[None]:
        connection, self._connection = self._connection, None
        work, self._work = self._work, succeed(None)
        self.identity = None
        if connection is not None:
            self._owner.link_down()
        if self.state is not state:
            self._become(state, why)
        self._owner.gave_up(NotConnected(why))
        self._rest.fire(NotConnected(why))
        work.cancel()
        if connection is not None:
            self._left = connection
            connection.hang_up(server_first=server_first)
        self.ending.error = error
        return self._gone().addCallback(lambda _: self._tell_end(self.ending.error))

    def _gone(self) -> Deferred[None]:
        """Fires when the connection that we closed is gone."""
        return succeed(None) if self._left is None else self._left.when_lost()

    def _give_up(self, why: Words) -> None:
        self.identity = None
        self._become(State.OFFLINE, why)
        error = NotConnected(why)
        self._owner.gave_up(error)
        self._tell_end(error)

    def _tell_end(self, error: BaseException | None) -> None:
        """Report the end, unless another connection is being made already."""
        if self.state in (State.OFFLINE, State.CLOSED):
            self.ending.come(error)

    def _become(self, state: State, why: Words, error: NotConnected | None = None) -> None:
        self.state, self.why = state, why
        if state is State.ONLINE:
            self._online_since = self._clock.seconds()
        self._owner.state_changed(state)
        if state in (State.OFFLINE, State.CLOSED):
            self._arrival.fire(error or NotConnected(why))
        elif state is State.ONLINE:
            self._arrival.fire()

    def _start(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        started = Deferred.fromCoroutine(work)
        started.addErrback(_log_unless_cancelled)
        if not started.called:  # work that has ended already may have started other work
            self._work = started


def _log_unless_cancelled(failure: Any) -> None:
    if failure.check(CancelledError) is None:
        _log.failure("Unhandled error in the client's connection", failure)
