"""Logging in on one connection: with the token, or else with the password."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import UNSET
from twisted.internet.defer import CancelledError

from chatroom.client.base import error_texts as words
from chatroom.client.base.errors import LATER, LoginRefused, NotConnected
from chatroom.client.connection.protocol import ClientProtocol
from chatroom.client.state.convert import Welcome, read_welcome
from chatroom.protocol import codec, messages as wire


@dataclass
class Identity:
    """A user and the credentials to log in with."""

    user_id: int
    password: str | None = field(repr=False)
    #: Replaced at each login.
    token: str | None = field(repr=False)


def is_final(error: LoginRefused) -> bool:
    """Whether a retry can't succeed."""
    return error.code not in LATER


async def log_in(
    connection: ClientProtocol, identity: Identity, resume: wire.Resume | None
) -> Welcome:
    """Log in with the token if there is one, else, or where it is refused, with the password.

    ``identity`` has the new token afterwards.

    :param resume: the positions from which the conversations resume.
    :raises LoginRefused: by the server.
    :raises NotConnected: the connection was lost, or no answer came in time.
    """
    if identity.token is not None:
        try:
            return await _ask(connection, identity, resume)
        except LoginRefused as error:
            if identity.password is None or not is_final(error):
                raise
            identity.token = None
    return await _ask(connection, identity, resume)


async def _ask(
    connection: ClientProtocol, identity: Identity, resume: wire.Resume | None
) -> Welcome:
    message = wire.LoginMes(user_id=identity.user_id, protocol=2)
    if identity.token is not None:
        message.token = identity.token
    else:
        message.user_pwd = identity.password or ""
    message.resume = UNSET if resume is None else resume
    try:
        answer = await connection.requests.ask(message, wire.LoginResMes, LoginRefused)
        welcome = read_welcome(identity.user_id, answer)
    except CancelledError:
        # The server may complete the login all the same, unnoticed here.
        connection.drop(words.LOGIN_GIVEN_UP)
        raise
    except codec.WireError as error:
        why = words.NO_MESSAGE.filled(problem=error)
        connection.drop(why)
        raise NotConnected(why, final=True) from None
    identity.token = welcome.login.token or None
    return welcome
