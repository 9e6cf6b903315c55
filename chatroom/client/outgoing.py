"""What is sent or asked: checked first, and then handed to the send queue or the connection."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred, fail

from chatroom.client.base import error_texts as words
from chatroom.client.base.errors import ChatError, NotConnected, Refused, SendRefused, Unconfirmed
from chatroom.client.base.model import Sent, State
from chatroom.client.lifecycle import Lifecycle
from chatroom.client.state.checking import checked
from chatroom.client.user_state import UserState
from chatroom.common.clock import Clock
from chatroom.common.waiting import within
from chatroom.protocol import messages as wire

AnswerT = TypeVar("AnswerT", bound=wire.Message)


class Outgoing:
    """Sends messages and requests for the user who is logged in."""

    def __init__(self, user: UserState, lifecycle: Lifecycle, clock: Clock) -> None:
        self._user = user
        self._link = user.link
        self._lifecycle = lifecycle
        self._clock = clock

    def send(
        self,
        where: str | None,
        build: Callable[..., wire.Text],
        message_id: str | None,
        timeout: float | None,
        **arguments: object,
    ) -> Deferred[Sent]:
        """As `chatroom.client.ChatClient.send`.

        :param where: the room, or None for a private message.
        :param build: makes the message, given its id.
        :param arguments: what the user gave, to be checked first.
        """
        name = secrets.token_urlsafe(16) if message_id is None else message_id
        try:
            self._check_logged_in()
            if name in self._user.send_queue:
                raise SendRefused(wire.Code.MALFORMED, words.UNDER_WAY)
            _, payload = checked(
                SendRefused, partial(build, id=name), message_id=message_id, **arguments
            )
        except ChatError as error:
            return fail(error)
        sent = self._user.send_queue.add(name, where, payload)
        if timeout is None:
            return sent
        late = Unconfirmed(words.UNCONFIRMED.filled(seconds=timeout))
        return within(sent, timeout, self._clock, late)

    async def ask(
        self,
        build: Callable[[], wire.Message],
        answer: type[AnswerT],
        refused: type[Refused] = Refused,
        **arguments: object,
    ) -> AnswerT:
        """The server's answer to the request that ``build`` makes of the arguments.

        :raises Refused: as ``refused``; by the server, or because an argument is not valid.
        :raises NotConnected: nobody is logged in, or the connection was lost.
        """
        self._check_logged_in()
        message, _ = checked(refused, build, **arguments)
        return await self._link.connection().ask(message, answer, refused)

    def _check_logged_in(self) -> None:
        if self._lifecycle.leaving is not None:
            raise NotConnected(self._lifecycle.leaving)
        if self._link.identity is None:
            is_up = self._link.state is State.ONLINE
            raise NotConnected(words.NOBODY_LOGGED_IN if is_up else self._link.why)
